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
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, LocalSet, spawn_local},
};

use crate::{
    admission::Admission,
    buffer::Buffers,
    deadline::{Deadlines, TICK},
    flow,
    pool::Pools,
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
    ids: RefCell<RequestIds>,
    scratch: RefCell<Vec<Vec<u8>>>,
    is_draining: Cell<bool>,
    is_stopping: Cell<bool>,
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
            ids: RefCell::new(RequestIds::new()),
            scratch: RefCell::default(),
            is_draining: Cell::new(false),
            is_stopping: Cell::new(false),
        };
        worker.deadlines.tick();
        Rc::new(worker)
    }

    /// The plan that new requests run under.
    pub(crate) fn plan(&self) -> Rc<LocalPlan> {
        Rc::clone(&self.plan.borrow())
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
            let mut listening: Vec<(ListenAddress, Listening)> = Vec::new();
            for (address, socket) in sockets {
                listening.push((address.clone(), self.listen(address, socket)?));
            }
            while let Some(command) = commands.recv().await {
                match command {
                    Command::Apply { plan, opened, closed, done } => {
                        // Who waits at a port that goes is still served under the plan that had it.
                        listening.retain(|(address, listening)| {
                            let stays = !closed.contains(address);
                            if !stays {
                                listening.close();
                            }
                            stays
                        });
                        *self.plan.borrow_mut() = LocalPlan::new(plan, self.index);
                        for (address, socket) in opened {
                            listening.push((address.clone(), self.listen(address, socket)?));
                        }
                        self.pools.sweep(self.deadlines.now_ms());
                        // Nobody may be waiting any more; then nobody needs to know.
                        let _ = done.send(());
                    }
                    Command::Drain => {
                        self.is_draining.set(true);
                        for (_, listening) in listening.drain(..) {
                            listening.close();
                        }
                        self.deadlines.expire_idle();
                    }
                    Command::Stop => break,
                }
            }
            ticking.abort();
            self.cut_off().await;
            self.pools.clear();
            self.log.borrow_mut().flush();
            Ok(())
        })
    }

    /// Ends what is open, and lets each connection leave its record.
    async fn cut_off(&self) {
        self.is_stopping.set(true);
        self.is_draining.set(true);
        self.deadlines.end();
        // Each turn runs whatever was woken; a connection needs a few to come to its end.
        for _ in 0..4096 {
            tokio::task::yield_now().await;
        }
    }

    fn listen(self: &Rc<Self>, address: ListenAddress, socket: std::net::TcpListener) -> io::Result<Listening> {
        let listener = Rc::new(TcpListener::from_std(socket)?);
        let task = spawn_local(accept_all(Rc::clone(self), address.clone(), Rc::clone(&listener)));
        Ok(Listening { worker: Rc::clone(self), address, listener, task })
    }

    /// Starts one connection.
    fn welcome(self: &Rc<Self>, address: &ListenAddress, stream: tokio::net::TcpStream, peer: std::net::SocketAddr) {
        let plan = self.plan();
        let Some(port) = plan.plan.port_at(address) else { return };
        let _ = stream.set_nodelay(true);
        let gate = self.admission.gate(address);
        let port = Arc::clone(port);
        // The plan goes along: the task first runs later, and another plan may be current by then.
        spawn_local(flow::connection(Rc::clone(self), plan, port, gate, stream, peer));
    }
}

/// A socket that is being served.
struct Listening {
    worker: Rc<Worker>,
    address: ListenAddress,
    listener: Rc<TcpListener>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Stops accepting; whoever waits in the queue already is still served, because closing would reset them.
    fn close(&self) {
        self.task.abort();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Ok((stream, peer))) = self.listener.poll_accept(&mut context) {
            self.worker.welcome(&self.address, stream, peer);
        }
    }
}

async fn accept_all(worker: Rc<Worker>, address: ListenAddress, listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => worker.welcome(&address, stream, peer),
            // Out of descriptors or memory: the queue holds them until there is room again.
            Err(error) => {
                tracing::warn!(port = ?address, %error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Deadlines every tick; the log twice a second; pools every second.
async fn tick(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0_u64.. {
        interval.tick().await;
        worker.deadlines.tick();
        if count.is_multiple_of(2) {
            worker.log.borrow_mut().flush();
        }
        if count.is_multiple_of(20) {
            worker.pools.sweep(worker.deadlines.now_ms());
        }
    }
}
