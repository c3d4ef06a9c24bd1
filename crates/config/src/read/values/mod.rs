//! Single values: text in, checked type or [`Mistake`](super::mistake::Mistake) out. No places, no findings.

mod address;
mod duration;
mod header;
mod host;
mod name;
mod number;
mod pattern;
mod reason;
mod space;
mod target;

pub(crate) use address::{EndpointText, endpoint, listen, network};
pub(crate) use duration::{duration, interval, written};
pub(crate) use header::{header_name, header_value, method};
pub(crate) use host::{authority, host_name, host_pattern};
pub(crate) use name::name;
pub(crate) use number::{boolean, bytes, count, number_between, percent, port_number, port_span, status_span};
pub(crate) use pattern::{anchored, literal_path, path_pattern, path_prefix, value_pattern};
pub(crate) use reason::reason;
pub(crate) use space::space;
pub(crate) use target::{redirect_target, target_path};
