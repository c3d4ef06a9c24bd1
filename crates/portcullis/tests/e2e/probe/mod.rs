//! `portcullis probe`: for each check a machine on which it passes, and one with the defect planted on which it fails.

mod attack;
mod forms;
mod inventory;
mod namespaces;
mod reach;
mod watch;
