
mod chunks;
mod reading;
mod requests;
mod responses;
