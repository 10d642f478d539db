//! Conversations with a kernel whose language is a mock, as transcripts.
//!
//! The mock understands three cells: `say TEXT` prints and returns the text, `fail` raises, and
//! `panic` breaks the interpreter. A transcript shows requests (`>`), replies (`<`) and iopub
//! messages (`*`), each with the request that it belongs to.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use expect_test::{Expect, expect};
use jupyter_protocol::JupyterMessageContent;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::comm::{Comm, CommMessage, CommTarget};
use crate::connection::hub::{Hub, SubscriberId};
use crate::connection::router::Router;
use crate::dispatch;
use crate::interpreter::{Interpreter, Task, Work};
use crate::kernel::Shared;
use crate::parent::Parent;
use crate::publisher::Publisher;
use crate::session::Session;
use crate::streams::StreamName;
use crate::wire::Codec;

const KEY: &[u8] = b"key";

/// Keeps tasks until the test lets one run.
#[derive(Default)]
struct MockInterpreter {
    tasks: Mutex<VecDeque<Task>>,
}

impl Interpreter for MockInterpreter {
    fn submit(&self, task: Task) {
        if let Work::Execute(cell) = &task.work {
            assert_ne!(cell.code, "panic in submit", "a bug of the interpreter");
        }
        self.tasks.lock().push_back(task);
    }

    fn create_subshell(&self, _: &str) {}

    fn delete_subshell(&self, _: &str) {}
}

/// A kernel without sockets and the client that talks to it.
struct Conversation {
    shared: Arc<Shared>,
    interpreter: Arc<MockInterpreter>,
    client: Codec,
    hub: Arc<Hub>,
    subscriber: SubscriberId,
    replies: Vec<UnboundedReceiver<Vec<Bytes>>>,
    /// Message id → the name that the test gave the request.
    names: HashMap<String, String>,
    transcript: String,
}

impl Conversation {
    fn start() -> Self {
        let codec = Arc::new(Codec::new(KEY));
        let hub = Arc::new(Hub::default());
        let (subscriber, _) = hub.join();
        hub.subscribe(subscriber, Bytes::new());
        let publisher = Publisher::start(Arc::clone(&codec), Arc::clone(&hub)).unwrap();
        let channels: [_; 3] = std::array::from_fn(|_| Router::channel());
        let (routers, replies): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        let routers: [Router; 3] = routers.try_into().unwrap();
        let session = Session::new(codec, publisher, routers);
        Self {
            shared: Arc::new(Shared::new(session, json!({"status": "ok"}))),
            interpreter: Arc::default(),
            client: Codec::new(KEY),
            hub,
            subscriber,
            replies,
            names: HashMap::new(),
            transcript: String::new(),
        }
    }

    fn attached() -> Self {
        let conversation = Self::start();
        conversation.attach();
        conversation
    }

    fn attach(&self) {
        let interpreter: Arc<dyn Interpreter> = Arc::<MockInterpreter>::clone(&self.interpreter);
        self.shared.attach(interpreter).unwrap();
    }

    fn shell(&mut self, name: &str, msg_type: &str, content: Value) {
        let frames = self.request(name, msg_type, content);
        dispatch::on_shell(&self.shared, frames);
        self.collect();
    }

    fn control(&mut self, name: &str, msg_type: &str, content: Value) {
        let frames = self.request(name, msg_type, content);
        dispatch::on_control(&self.shared, frames);
        self.collect();
    }

    fn cell(&mut self, name: &str, code: &str) {
        self.shell(name, "execute_request", json!({"code": code}));
    }

    fn request(&mut self, name: &str, msg_type: &str, content: Value) -> Vec<Bytes> {
        let none = RawValue::from_string("{}".to_owned()).unwrap();
        let encoded = self
            .client
            .encode(msg_type, &none, &Map::new(), &content)
            .unwrap();
        self.names.insert(encoded.msg_id, name.to_owned());
        self.transcript += &format!("> {name}: {msg_type}\n");
        let mut frames = vec![Bytes::from_static(b"client")];
        frames.extend(encoded.frames);
        frames
    }

    /// Lets the interpreter work on one task.
    fn run_next(&mut self) {
        let Some(task) = self.interpreter.tasks.lock().pop_front() else {
            self.transcript += "  (nothing to run)\n";
            return;
        };
        self.transcript += &format!("  (runs {})\n", self.names[task.parent.msg_id()]);
        let shared = Arc::clone(&self.shared);
        run(&shared, task);
        self.collect();
    }

    /// Writes down what the kernel has sent.
    fn collect(&mut self) {
        for outgoing in self.hub.take_batch(self.subscriber) {
            // One chunk: everything here is short. Topic and delimiter come before the rest.
            let frames = frames_of(&outgoing.chunks.concat());
            self.note('*', &frames[1..]);
        }
        self.hub.batch_written(self.subscriber);
        for socket_idx in 0..self.replies.len() {
            while let Ok(frames) = self.replies[socket_idx].try_recv() {
                assert_eq!(frames[0], "client");
                self.note('<', &frames[1..]);
            }
        }
    }

    fn note(&mut self, mark: char, frames: &[Bytes]) {
        let reader = Codec::new(KEY);
        let message = reader.decode(frames.to_vec()).unwrap();
        let name = message
            .parent_id
            .and_then(|id| self.names.get(&id).cloned());
        let name = name.unwrap_or_else(|| "nobody".to_owned());
        let content: Value = serde_json::from_str(message.content.get()).unwrap();
        if mark == '*' {
            // Another implementation of the protocol understands what all clients get.
            let (msg_type, content) = (&message.header.msg_type, content.clone());
            JupyterMessageContent::from_type_and_content(msg_type, content).unwrap();
        }
        let shown: Vec<String> = [
            "execution_state",
            "status",
            "code",
            "text",
            "ename",
            "found",
            "data",
        ]
        .iter()
        .filter_map(|field| {
            content
                .get(field)
                .map(|value| value.to_string().replace('"', ""))
        })
        .collect();
        let msg_type = message.header.msg_type;
        self.transcript += &format!("{mark} {name}: {msg_type} {}\n", shown.join(" "));
    }

    fn expect(&self, expected: Expect) {
        expected.assert_eq(&self.transcript);
    }
}

/// The mock language.
fn run(shared: &Arc<Shared>, task: Task) {
    let publisher = &shared.session.publisher;
    let status = |status: &str| Map::from_iter([("status".to_owned(), status.into())]);
    match task.work {
        Work::Execute(cell) if cell.code.starts_with("say ") => {
            publisher.stream(&task.parent, StreamName::Stdout, &cell.code[4..]);
            task.responder
                .reply_to_cell(status("ok"), cell.execution_count + 1);
        }
        Work::Execute(cell) if cell.code == "fail" => {
            publisher.error(&task.parent, "Failure", "", &[]);
            let mut content = status("error");
            content.insert("ename".to_owned(), "Failure".into());
            task.responder
                .reply_to_cell(content, cell.execution_count + 1);
        }
        Work::Introspect { .. } => task.responder.reply(status("ok")),
        // The responder is dropped, as it is when the stack unwinds.
        _ => drop(task),
    }
}

/// Takes ZMTP frames apart again.
fn frames_of(mut wire: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let [flags, rest @ ..] = wire {
        let (len, rest) = if flags & 2 == 0 {
            (usize::from(rest[0]), &rest[1..])
        } else {
            let (len, rest) = rest.split_at(8);
            (
                usize::try_from(u64::from_be_bytes(len.try_into().unwrap())).unwrap(),
                rest,
            )
        };
        frames.push(Bytes::copy_from_slice(&rest[..len]));
        wire = &rest[len..];
    }
    frames
}

#[test]
fn a_cell_prints_before_it_is_idle() {
    let mut it = Conversation::attached();
    it.cell("a", "say hello");
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input say hello
          (runs a)
        * a: stream hello
        * a: status idle
        < a: execute_reply ok
    "#]]);
}

#[test]
fn requests_wait_for_the_cell_before_them() {
    let mut it = Conversation::attached();
    it.cell("a", "say 1");
    it.shell(
        "b",
        "complete_request",
        json!({"code": "x", "cursor_pos": 1}),
    );
    it.shell("c", "kernel_info_request", json!({}));
    it.run_next();
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input say 1
        > b: complete_request
        > c: kernel_info_request
          (runs a)
        * a: stream 1
        * a: status idle
        * b: status busy
        < a: execute_reply ok
          (runs b)
        * b: status idle
        * c: status busy
        * c: status idle
        < b: complete_reply ok
        < c: kernel_info_reply ok
    "#]]);
}

#[test]
fn a_failing_cell_aborts_the_cells_that_wait_and_nothing_else() {
    let mut it = Conversation::attached();
    it.cell("a", "fail");
    it.cell("b", "say never");
    it.shell("c", "complete_request", json!({}));
    it.run_next();
    it.cell("d", "say after");
    it.run_next();
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input fail
        > b: execute_request
        > c: complete_request
          (runs a)
        * a: error Failure
        * a: status idle
        * b: status busy
        * b: status idle
        * c: status busy
        < a: execute_reply error Failure
        < b: execute_reply aborted
        > d: execute_request
          (runs c)
        * c: status idle
        * d: status busy
        * d: execute_input say after
        < c: complete_reply ok
          (runs d)
        * d: stream after
        * d: status idle
        < d: execute_reply ok
    "#]]);
}

#[test]
fn without_stop_on_error_the_next_cell_runs() {
    let mut it = Conversation::attached();
    it.shell(
        "a",
        "execute_request",
        json!({"code": "fail", "stop_on_error": false}),
    );
    it.cell("b", "say on");
    it.run_next();
    it.run_next();
    assert!(
        it.transcript
            .ends_with("* b: stream on\n* b: status idle\n< b: execute_reply ok\n")
    );
}

#[test]
fn what_needs_no_interpreter_is_answered_before_there_is_one() {
    let mut it = Conversation::start();
    it.shell("a", "kernel_info_request", json!({}));
    it.cell("b", "say later");
    it.attach();
    it.run_next();
    it.expect(expect![[r#"
        > a: kernel_info_request
        * a: status busy
        * a: status idle
        < a: kernel_info_reply ok
        > b: execute_request
          (runs b)
        * b: status busy
        * b: execute_input say later
        * b: stream later
        * b: status idle
        < b: execute_reply ok
    "#]]);
}

#[test]
fn a_task_that_is_dropped_or_panics_is_answered_and_the_next_one_runs() {
    let mut it = Conversation::attached();
    it.cell("a", "panic");
    it.run_next();
    it.cell("b", "panic in submit");
    it.cell("c", "say alive");
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input panic
          (runs a)
        * a: status idle
        < a: execute_reply error KernelError
        > b: execute_request
        * b: status busy
        * b: execute_input panic in submit
        * b: status idle
        < b: execute_reply error KernelError
        > c: execute_request
        * c: status busy
        * c: execute_input say alive
          (runs c)
        * c: stream alive
        * c: status idle
        < c: execute_reply ok
    "#]]);
}

#[test]
fn control_is_answered_while_a_cell_runs() {
    let mut it = Conversation::attached();
    it.cell("a", "say slow");
    it.control("b", "kernel_info_request", json!({}));
    it.control("c", "frobnicate_request", json!({}));
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input say slow
        > b: kernel_info_request
        * b: status busy
        * b: status idle
        < b: kernel_info_reply ok
        > c: frobnicate_request
          (runs a)
        * a: stream slow
        * a: status idle
        < a: execute_reply ok
    "#]]);
}

#[test]
fn a_subshell_runs_beside_the_main_shell() {
    let mut it = Conversation::attached();
    it.control("a", "create_subshell_request", json!({}));
    assert_eq!(it.shared.lanes.subshell_ids().len(), 1);
    it.control(
        "b",
        "delete_subshell_request",
        json!({"subshell_id": "unknown"}),
    );
    it.expect(expect![[r#"
        > a: create_subshell_request
        * a: status busy
        * a: status idle
        < a: create_subshell_reply ok
        > b: delete_subshell_request
        * b: status busy
        * b: status idle
        < b: delete_subshell_reply error SubshellError
    "#]]);
}

/// Sends everything back.
struct Echo;

impl CommTarget for Echo {
    fn opened(&self, comm: &Comm, parent: &Parent, _: &CommMessage) {
        comm.send(parent, &json!({"say": "welcome"}), Vec::new())
            .unwrap();
    }

    fn message(&self, comm: &Comm, parent: &Parent, message: &CommMessage) {
        let data: Value = message.data().unwrap();
        assert_ne!(data["say"], "bug", "a target that panics");
        comm.send(parent, &data, Vec::new()).unwrap();
    }

    fn closed(&self, _: &Comm) {}
}

#[test]
fn a_comm_of_rust_is_answered_while_a_cell_runs() {
    let mut it = Conversation::attached();
    it.shared.comms.register("echo", Arc::new(Echo));
    it.cell("a", "say slow");
    it.shell(
        "b",
        "comm_open",
        json!({"comm_id": "1", "target_name": "echo", "data": {}}),
    );
    it.shell(
        "c",
        "comm_msg",
        json!({"comm_id": "1", "data": {"say": "ping"}}),
    );
    it.shell(
        "d",
        "comm_msg",
        json!({"comm_id": "1", "data": {"say": "bug"}}),
    );
    it.run_next();
    it.expect(expect![[r#"
        > a: execute_request
        * a: status busy
        * a: execute_input say slow
        > b: comm_open
        * b: status busy
        * b: comm_msg {say:welcome}
        * b: status idle
        > c: comm_msg
        * c: status busy
        * c: comm_msg {say:ping}
        * c: status idle
        > d: comm_msg
        * d: status busy
        * d: status idle
          (runs a)
        * a: stream slow
        * a: status idle
        < a: execute_reply ok
    "#]]);
}
