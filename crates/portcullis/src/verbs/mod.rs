//! One file for each verb: its arguments and what it does.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod connect;
pub(crate) mod drain;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod map;
pub(crate) mod ports;
pub(crate) mod probe;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod user;
