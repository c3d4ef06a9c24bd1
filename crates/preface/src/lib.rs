//! What a connection says before its protocol begins: the PROXY header and the TLS ClientHello.
//!
//! Owns: parsing both from bytes as they arrive, and writing PROXY headers. Must not know: sockets, who is trusted to
//! send a PROXY header, where an SNI leads.
//!
//! Invariants: no read beyond the given bytes; bounded memory and linear time; the result does not depend on how the
//! bytes were split.

pub mod client_hello;
pub mod proxy_protocol;
