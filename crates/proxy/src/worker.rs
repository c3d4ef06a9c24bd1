//! One thread of the data plane: its runtime, its listening sockets, and everything that only it touches.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use portcullis_balance::{Cursor, RetryBudget};
use portcullis_config::declared::ListenAddress;
use portcullis_observe::{LogWriter, RequestId, RequestIds};
use portcullis_plan::Plan;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{LocalSet, spawn_local},
};

use crate::{
    admission::Admission,
    buffer::Buffers,
    callers::Callers,
    clock,
    deadline::{Deadlines, TICK},
    listening::Listening,
    log_gate::LogQueue,
    pool::Pools,
    watch::Watches,
};

/// What the control plane tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run this plan; serve these new sockets, leave those addresses.
    Apply {
        plan: Arc<Plan>,
        opened: Vec<(ListenAddress, std::net::TcpListener)>,
        closed: Vec<ListenAddress>,
        done: oneshot::Sender<()>,
    },
    /// Leave every address; connections end after their current exchange.
    Drain,
    /// End now.
    Stop,
}

/// State of one worker. Tasks of its connections share it; nothing of it leaves the thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// 0 to the number of workers.
    pub(crate) index: usize,
    plan: RefCell<Rc<LocalPlan>>,
    pub(crate) pools: Pools,
    pub(crate) buffers: Buffers,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) log: RefCell<LogWriter>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) callers: Callers,
    pub(crate) watches: Watches,
    ids: RefCell<RequestIds>,
    scratch: RefCell<Vec<Vec<u8>>>,
    pub(crate) log_queue: LogQueue,
    is_draining: Cell<bool>,
    is_stopping: Cell<bool>,
    /// How many times idle connections are still to be reviewed.
    reviews: Cell<u32>,
    /// Connections, from accept until their last record.
    open: Cell<usize>,
    /// Tells that there is none any more.
    closed: Notify,
}

/// A plan with this worker's own state beside it.
#[derive(Debug)]
pub(crate) struct LocalPlan {
    pub(crate) plan: Arc<Plan>,
    services: Vec<LocalService>,
}

/// What a worker keeps of each service.
#[derive(Debug, Default)]
pub(crate) struct LocalService {
    pub(crate) cursor: Cursor,
    pub(crate) budget: RetryBudget,
}

impl LocalPlan {
    fn new(plan: Arc<Plan>, worker: usize) -> Rc<Self> {
        let services = plan
            .services
            .iter()
            .map(|_| LocalService { cursor: Cursor::starting_at(worker), budget: RetryBudget::default() })
            .collect();
        Rc::new(Self { plan, services })
    }

    /// This worker's state of the service with this index.
    pub(crate) fn service(&self, index: usize) -> &LocalService {
        &self.services[index]
    }
}

impl Worker {
    pub(crate) fn new(index: usize, plan: Arc<Plan>, log: LogWriter, admission: Arc<Admission>) -> Rc<Self> {
        let worker = Self {
            index,
            plan: RefCell::new(LocalPlan::new(plan, index)),
            pools: Pools::default(),
            buffers: Buffers::default(),
            deadlines: Rc::default(),
            log: RefCell::new(log),
            admission,
            callers: Callers::default(),
            watches: Watches::default(),
            ids: RefCell::new(RequestIds::new()),
            scratch: RefCell::default(),
            log_queue: LogQueue::default(),
            is_draining: Cell::new(false),
            is_stopping: Cell::new(false),
            reviews: Cell::new(0),
            open: Cell::new(0),
            closed: Notify::new(),
        };
        worker.deadlines.tick();
        Rc::new(worker)
    }

    /// The plan that new requests run under.
    pub(crate) fn plan(&self) -> Rc<LocalPlan> {
        Rc::clone(&self.plan.borrow())
    }

    /// Whether the plan of this generation is the current one.
    pub(crate) fn runs(&self, generation: u64) -> bool {
        self.plan.borrow().plan.generation == generation
    }

    /// A request id that no other request has.
    pub(crate) fn next_id(&self) -> RequestId {
        self.ids.borrow_mut().next_id()
    }

    /// Whether the process is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Whether what is open is being cut off.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    /// A small buffer for the path of one request.
    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives it back.
    pub(crate) fn give_scratch(&self, scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < 64 && scratch.capacity() <= 8192 {
            kept.push(scratch);
        }
    }

    /// Whether ports with `log: required` may take traffic: one load.
    pub(crate) fn can_log(&self) -> bool {
        self.log.borrow().can_accept()
    }

    /// Counts a connection as open, until what is returned is dropped.
    pub(crate) fn count_open(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(self))
    }

    /// Runs until it is told to stop. Blocks the thread.
    pub(crate) fn run(
        self: Rc<Self>,
        sockets: Vec<(ListenAddress, std::net::TcpListener)>,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let ticking = spawn_local(tick(Rc::clone(&self)));
            let mut listening = self.listen(sockets);
            while let Some(command) = commands.recv().await {
                match command {
                    Command::Apply { plan, opened, closed, done } => {
                        *self.plan.borrow_mut() = LocalPlan::new(plan, self.index);
                        let (stay, go): (Vec<_>, Vec<_>) = listening
                            .drain(..)
                            .partition(|open| !closed.contains(open.address()) && open.follow_plan());
                        listening = stay;
                        go.into_iter().for_each(Listening::close);
                        listening.extend(self.listen(opened));
                        self.pools.sweep(self.deadlines.now_ms());
                        self.review_idle(2);
                        // Nobody may be waiting any more; then nobody needs to know.
                        let _ = done.send(());
                    }
                    Command::Drain => {
                        self.is_draining.set(true);
                        listening.drain(..).for_each(Listening::close);
                        self.review_idle(u32::MAX);
                    }
                    Command::Stop => break,
                }
            }
            listening.into_iter().for_each(Listening::close);
            self.cut_off().await;
            ticking.abort();
            self.pools.clear();
            self.log.borrow_mut().flush();
            Ok(())
        })
    }

    /// Lets every connection without a request look whether it may stay: now, and so many times more, one second
    /// apart, because newcomers are given a moment.
    fn review_idle(&self, more: u32) {
        self.reviews.set(self.reviews.get().max(more));
        self.deadlines.wake_idle();
    }

    /// Serves these sockets. One that can not be served is closed, so that no connection waits there for ever.
    fn listen(self: &Rc<Self>, sockets: Vec<(ListenAddress, std::net::TcpListener)>) -> Vec<Listening> {
        let open = |(address, socket)| {
            Listening::open(self, address, socket)
                .inspect_err(|error| tracing::error!(worker = self.index, %error, "a socket is not served"))
                .ok()
        };
        sockets.into_iter().filter_map(open).collect()
    }

    /// Ends what is open, and waits until each connection has left its record.
    async fn cut_off(&self) {
        self.is_stopping.set(true);
        self.is_draining.set(true);
        self.deadlines.end();
        let all_closed = async {
            while self.open.get() > 0 {
                self.closed.notified().await;
            }
        };
        if tokio::time::timeout(CUT_OFF_TIME, all_closed).await.is_err() {
            let (worker, open) = (self.index, self.open.get());
            tracing::error!(worker, open, "connections did not end in time; they leave no record");
        }
    }
}

/// For all open connections together, once they are told to end. They need a few turns each and wait for nobody.
const CUT_OFF_TIME: Duration = Duration::from_secs(10);

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        if left == 0 {
            self.0.closed.notify_one();
        }
    }
}

/// Deadlines every tick; the log ten times a second; proofs five times; pools and idle connections every second.
async fn tick(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0_u64.. {
        interval.tick().await;
        worker.deadlines.tick();
        if worker.can_log() {
            worker.log_queue.release();
        }
        if count.is_multiple_of(2) {
            worker.log.borrow_mut().flush();
        }
        if count.is_multiple_of(4) {
            worker.watches.look(clock::unix_seconds());
        }
        if count.is_multiple_of(20) {
            worker.pools.sweep(worker.deadlines.now_ms());
            if let Some(left) = worker.reviews.get().checked_sub(1) {
                worker.reviews.set(left);
                worker.deadlines.wake_idle();
            }
        }
    }
}
