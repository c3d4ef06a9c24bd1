//! What went wrong once, each with its story; what may go wrong again is tested where it belongs.

mod certificates;
mod endpoints;
mod exchange;
mod headers;
mod records;
mod reload;
mod routing;
mod sessions;
mod strangers;
