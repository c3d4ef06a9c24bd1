//! The port map: every port that anybody can reach, what lies behind it, who says so, and whether it is true.
//!
//! Owns: the map as data, joining it with the sockets that are really open and with what a running proxy says, and the forms in which it is drawn.
//!
//! Must not know: files (it is given the estate's facts), the kernel (it is given the open sockets), terminals.
//!
//! The same facts give the same map, byte for byte, so that a map in a repository can be compared with what the files
//! say: nothing of the time or the machine is in it unless open sockets are joined.

mod forms;
mod live;
mod map;
mod running;

pub use forms::{Form, draw};
pub use live::LiveSocket;
pub use map::{Map, Passage, Place, Range, Row, State};
pub use running::{Running, RunningPort, RunningService};
