//! One kernel: its parts put together, and the handle that the rest of Tidemill holds.
//!
//! ```text
//!  sockets ─► dispatch ─► lanes ─► interpreter ─► responder ─┐
//!     ▲                                                      │
//!     └──────────── session (replies) · publisher (iopub) ◄──┴─ live displays, engine
//! ```

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::capture::Capture;
use crate::comm::CommRegistry;
use crate::connection::hub::Hub;
use crate::connection::router::Router;
use crate::connection::{self, Callbacks, ConnectionInfo};
use crate::dispatch;
use crate::error::KernelError;
use crate::handlers::usage::Usage;
use crate::interpreter::Interpreter;
use crate::parent::Parent;
use crate::publisher::{Pressure, Publisher};
use crate::queue::{LaneId, Lanes};
use crate::session::Session;
use crate::shutdown;
use crate::wire::{Codec, PROTOCOL_VERSION};

/// Threads that serve the sockets: one may be busy with a large message while the other keeps
/// heartbeat and control alive.
const N_SOCKET_THREADS: usize = 2;

/// What a kernel needs to start.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// The connection file that the client wrote.
    pub connection_file: PathBuf,
    /// The `language_info` of kernel_info_reply.
    pub language_info: Value,
    /// Shown by consoles when they start.
    pub banner: String,
    /// Whether file descriptors 1 and 2 become output of cells.
    pub capture_descriptors: bool,
    /// Whether the interpreter runs subshells.
    pub subshells: bool,
}

/// A running kernel; cheap to clone, for any thread.
#[derive(Clone, Debug)]
pub struct KernelHandle(Arc<Shared>);

/// What all threads of a kernel share.
pub(crate) struct Shared {
    pub(crate) session: Session,
    pub(crate) lanes: Lanes,
    pub(crate) comms: CommRegistry,
    pub(crate) kernel_info: Value,
    pub(crate) usage: Usage,
    interpreter: OnceLock<Arc<dyn Interpreter>>,
    capture: OnceLock<Capture>,
    shutdown_hooks: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    leaving: AtomicBool,
    /// Interrupts that were asked for by message.
    n_interrupts: AtomicU64,
    /// The last one has not reached the interpreter's handler yet.
    interrupt_is_unnoticed: AtomicBool,
    /// Keeps the sockets' threads; never dropped while the process lives.
    runtime: OnceLock<tokio::runtime::Runtime>,
}

static CURRENT: OnceLock<KernelHandle> = OnceLock::new();

/// The kernel of this process, if it is one: for code that is called from a cell and wants to
/// show something.
#[must_use]
pub fn current() -> Option<KernelHandle> {
    CURRENT.get().cloned()
}

impl KernelHandle {
    /// Binds the sockets and answers from then on; requests that need an interpreter wait until
    /// [`KernelHandle::attach`].
    ///
    /// # Errors
    /// When the connection file is not usable, a socket cannot be bound, or this process has a
    /// kernel already.
    pub fn start(config: KernelConfig) -> Result<Self, KernelError> {
        if CURRENT.get().is_some() {
            return Err(KernelError::AlreadyStarted);
        }
        let info = ConnectionInfo::read(&config.connection_file)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(N_SOCKET_THREADS)
            .thread_name("tidemill-sockets")
            .on_thread_start(crate::interrupt::leave_signals_to_the_main_thread)
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| KernelError::System {
                what: "start the threads of the sockets",
                source,
            })?;

        let codec = Arc::new(Codec::new(info.key.as_bytes()));
        let hub = Arc::new(Hub::default());
        let publisher = Publisher::start(Arc::clone(&codec), Arc::clone(&hub))?;
        let [
            (shell, shell_out),
            (control, control_out),
            (stdin, stdin_out),
        ] = std::array::from_fn(|_| Router::channel());
        let session = Session::new(Arc::clone(&codec), publisher, [shell, control, stdin]);
        let shared = Arc::new(Shared::new(session, kernel_info(&config)));

        let outgoing = connection::Outgoing {
            shell: shell_out,
            control: control_out,
            stdin: stdin_out,
        };
        runtime.block_on(connection::bind(
            &info,
            callbacks(&shared),
            outgoing,
            (hub, codec),
        ))?;
        if config.capture_descriptors && shared.capture.set(Capture::start()?).is_ok() {
            Capture::serve(&shared)?;
        }
        shutdown::watch_parent(&shared)?;
        if shared.runtime.set(runtime).is_err() {
            return Err(KernelError::AlreadyStarted);
        }
        let handle = Self(shared);
        CURRENT
            .set(handle.clone())
            .map_err(|_| KernelError::AlreadyStarted)?;
        Ok(handle)
    }

    /// Gives the kernel its interpreter; requests that waited for it are taken up.
    ///
    /// # Errors
    /// [`KernelError::AlreadyStarted`] if it has one.
    pub fn attach(&self, interpreter: Arc<dyn Interpreter>) -> Result<(), KernelError> {
        self.0.attach(interpreter)
    }

    /// Publishes outputs.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.0.session.publisher
    }

    /// The cell that runs now, or ran last. Code that keeps on showing something takes it while
    /// it is called by its cell and keeps it.
    #[must_use]
    pub fn current_cell(&self) -> Parent {
        self.0.session.current_cell()
    }

    /// Comms that are answered without the interpreter.
    #[must_use]
    pub fn comms(&self) -> &CommRegistry {
        &self.0.comms
    }

    /// Calls this once before the shutdown is confirmed: the moment for the last state of live
    /// displays. Must return quickly.
    pub fn on_shutdown(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.shutdown_hooks.lock().push(Box::new(hook));
    }

    /// Asks the user of this cell for a line; the answer is fetched with
    /// [`KernelHandle::wait_for_input`].
    ///
    /// # Errors
    /// [`KernelError::InputNotAllowed`] if the cell's request says that nobody can answer.
    pub fn ask_for_input(
        &self,
        parent: &Parent,
        prompt: &str,
        password: bool,
    ) -> Result<Question, KernelError> {
        if !parent.allow_stdin() {
            return Err(KernelError::InputNotAllowed);
        }
        let session = &self.0.session;
        session.input_replies.clear();
        // What was printed before the question must be seen before it.
        self.0.drain_captured_output();
        let pressure = session.publisher.flush_streams();
        if pressure == Pressure::High {
            session.publisher.throttle();
        }
        let content = json!({"prompt": prompt, "password": password});
        let id = session.ask(parent, "input_request", &content);
        id.map(Question).ok_or(KernelError::ShuttingDown)
    }

    /// The answer, or none if it does not come within `timeout`.
    #[must_use]
    pub fn wait_for_input(&self, question: &Question, timeout: Duration) -> Option<String> {
        self.0.session.input_replies.wait(&question.0, timeout)
    }

    /// Tells that the interpreter's handler of interrupts runs.
    pub fn interrupt_noticed(&self) {
        self.0
            .interrupt_is_unnoticed
            .store(false, Ordering::Release);
    }

    /// Publishes what was written to file descriptors 1 and 2 until now.
    pub fn drain_captured_output(&self) {
        self.0.drain_captured_output();
    }

    /// Ends the conversation: waits until everything that was published and replied has left the
    /// process, at most for a second.
    pub fn finish(&self) {
        shutdown::finish(&self.0);
    }
}

/// A question to the user that waits for its answer.
#[derive(Debug)]
pub struct Question(String);

impl Shared {
    pub(crate) fn new(session: Session, kernel_info: Value) -> Self {
        Self {
            session,
            lanes: Lanes::default(),
            comms: CommRegistry::default(),
            kernel_info,
            usage: Usage::default(),
            interpreter: OnceLock::new(),
            capture: OnceLock::new(),
            shutdown_hooks: Mutex::new(Vec::new()),
            leaving: AtomicBool::new(false),
            n_interrupts: AtomicU64::new(0),
            interrupt_is_unnoticed: AtomicBool::new(false),
            runtime: OnceLock::new(),
        }
    }

    pub(crate) fn attach(
        self: &Arc<Self>,
        interpreter: Arc<dyn Interpreter>,
    ) -> Result<(), KernelError> {
        self.interpreter
            .set(interpreter)
            .map_err(|_| KernelError::AlreadyStarted)?;
        dispatch::pump(self, &LaneId::main());
        Ok(())
    }

    pub(crate) fn interpreter(&self) -> Option<&Arc<dyn Interpreter>> {
        self.interpreter.get()
    }

    pub(crate) fn count_interrupt(&self) {
        self.interrupt_is_unnoticed.store(true, Ordering::Release);
        self.n_interrupts.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn interrupt_is_unnoticed(&self) -> bool {
        self.interrupt_is_unnoticed.load(Ordering::Acquire)
    }

    pub(crate) fn n_interrupts(&self) -> u64 {
        self.n_interrupts.load(Ordering::Acquire)
    }

    pub(crate) fn capture(&self) -> Option<&Capture> {
        self.capture.get()
    }

    pub(crate) fn drain_captured_output(&self) {
        if let Some(capture) = self.capture() {
            // Called at the end of a cell: what follows is small and must not wait.
            let (Pressure::None | Pressure::High) = capture.drain_all(self);
        }
    }

    /// Runs the shutdown hooks, once.
    pub(crate) fn last_words(&self) {
        let hooks = std::mem::take(&mut *self.shutdown_hooks.lock());
        shutdown::run_hooks(hooks);
    }

    /// Makes the process end, once: by the interpreter, which runs its exit handlers, or by a
    /// watchdog if it does not.
    pub(crate) fn leave(self: &Arc<Self>, restart: bool) {
        if !self.leaving.swap(true, Ordering::AcqRel) {
            shutdown::leave(self, restart);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

fn callbacks(shared: &Arc<Shared>) -> Callbacks {
    let [shell, control, stdin] = std::array::from_fn(|_| Arc::clone(shared));
    Callbacks {
        shell: Box::new(move |frames| dispatch::on_shell(&shell, frames)),
        control: Box::new(move |frames| dispatch::on_control(&control, frames)),
        stdin: Box::new(move |frames| dispatch::on_stdin(&stdin, frames)),
    }
}

fn kernel_info(config: &KernelConfig) -> Value {
    let mut features = vec!["iopub_welcome"];
    if config.subshells {
        features.push("kernel subshells");
    }
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "tidemill",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": config.language_info,
        "banner": config.banner,
        "help_links": [],
        "supported_features": features,
        "debugger": false,
    })
}
