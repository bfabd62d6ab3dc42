"""HDF5 files: read by our own strict code, written by h5py."""

from epochal.storage.hdf5.attributes import Attribute
from epochal.storage.hdf5.contents import H5Dataset, H5Group, H5Object
from epochal.storage.hdf5.reading import open_hdf5
from epochal.storage.hdf5.writing import write_hdf5

__all__ = ["Attribute", "H5Dataset", "H5Group", "H5Object", "open_hdf5", "write_hdf5"]
