//! What fuzz targets share. It knows the parsers' public entrances and nothing of libFuzzer.

pub mod format;
pub mod runtime;
