//! What a fuzzer may call: the parser, and a session without a socket. Not part of the interface.

use crate::commands::{Flags, Gathering, dispatch, table};
use crate::config::Config;
use crate::listen::Address;
use crate::protocol::{Gate, Parser, Reply, Step, understand};
use crate::server::{Server, Shared};
use crate::session::{Client, Replies, Session};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

/// What a command may hold and answer here; a fuzzer gains nothing by more.
const SMALL_BYTES: usize = 1 << 16;

/// Gives bytes to the parser at once, one by one and in pieces: it must understand the same, and hold no more memory
/// than they justify.
pub fn resp_parse(data: &[u8]) {
    let [switches, step, bytes @ ..] = data else {
        return;
    };
    let gate = Gate {
        args_max: 1 << 20,
        bulk_bytes_max: 512 << 20,
        authenticated: switches & 1 == 0,
    };
    let whole = understand(bytes, &[], gate);
    let step = usize::from(*step).max(1);
    for step in [1, step] {
        let cuts: Vec<usize> = (0..bytes.len()).step_by(step).collect();
        assert_eq!(understand(bytes, &cuts, gate), whole, "pieces of {step}");
    }
}

/// Commands that may confirm several things at once, or have one inside that does.
const SEVERAL: Flags = Flags::CONFIRMS.and(Flags::EXEC);

/// A server whose socket nobody connects to.
struct Fixture {
    shared: Arc<Shared>,
    _server: Server,
    runtime: Runtime,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let folder = folder.join(format!("portcask-fuzz-{}", std::process::id()));
    // What a process of the same number left behind.
    let _ = std::fs::remove_dir_all(&folder);
    let mut config = Config::new(folder);
    config.bind = vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)];
    config.limits.bulk_bytes_max = SMALL_BYTES;
    config.limits.reply_bytes_max = SMALL_BYTES;
    config.limits.queue_bytes_max = SMALL_BYTES;
    config.threads = Some(1);
    let server = Server::start(config).expect("a server over an empty directory");
    Fixture {
        shared: server.shared(),
        _server: server,
        runtime: Runtime::new().expect("threads"),
    }
});

/// Has a client send bytes. Every command must get one reply, whole and well formed, and no error may hold a line end
/// that the client sent.
pub fn resp_session(data: &[u8]) {
    let fixture = &*FIXTURE;
    let _inside = fixture.runtime.enter();
    let shared = &*fixture.shared;
    // What the last case left.
    let ((), cleared) = shared.store.write(|keys| {
        let mut all = Vec::new();
        let walked = keys.walk(|key| {
            all.push(key);
            true
        });
        walked.expect("a store that is whole");
        for key in all {
            keys.delete(&key).expect("a store that is whole");
        }
        ((), true)
    });
    cleared.expect("a store that can be written");
    let nobody = Address::Ip(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1));
    let first = table().find(b"client").expect("a command");
    let client = Arc::new(Client::new(u64::MAX, nobody.clone(), nobody, first));
    let mut session = Session::new(client, shared.users.default_user());
    run(shared, &mut session, data);
    shared.store.unwatch(&mut session.watch);
    shared
        .hub
        .unsubscribe_all(&session.client, &mut session.subscriptions);
    shared.outgoing.forget(&session.client);
}

fn run(shared: &Shared, session: &mut Session, mut bytes: &[u8]) {
    let gate = Gate {
        args_max: 1 << 10,
        bulk_bytes_max: SMALL_BYTES,
        authenticated: true,
    };
    let mut parser = Parser::default();
    let mut reply = Reply::default();
    while let Ok(Step::Whole(used)) = parser.advance(bytes, gate) {
        let args = parser.args(bytes);
        if args.len() > 0 && !is_left_out(args.at(0)) {
            reply.bytes.clear();
            dispatch(shared, session, &mut Gathering::none(), args, &mut reply);
            let is_told_otherwise = session.is_closing()
                || session.replies != Replies::On
                || session.wait.take().is_some()
                || session.last.is_some_and(|it| it.flags.has(SEVERAL));
            let replies = replies(&reply.bytes);
            let shown = reply.bytes.escape_ascii();
            assert!(
                is_told_otherwise || replies == 1,
                "{replies} replies: {shown}"
            );
            // A reply is refused while it grows; the last part may be as long as an argument.
            assert!(
                reply.bytes.len() < 64 * SMALL_BYTES,
                "{}",
                reply.bytes.len()
            );
        }
        if session.is_closing() {
            return;
        }
        parser.reset();
        bytes = &bytes[used..];
    }
}

/// Commands about the whole server, which outlives the case, and those that only wait for the disk.
fn is_left_out(name: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"shutdown",
        b"config",
        b"save",
        b"bgsave",
        b"bgrewriteaof",
        b"portcask.merge",
        b"flushall",
        b"flushdb",
    ];
    names.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// How many replies the bytes are. Panics if they are not whole replies.
fn replies(bytes: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        at = end_of_reply(bytes, at);
        count += 1;
    }
    count
}

fn end_of_reply(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let line = rest.iter().position(|byte| *byte == b'\n');
    let line = line.expect("a reply has a line");
    assert_eq!(
        rest.get(line.wrapping_sub(1)),
        Some(&b'\r'),
        "a line ends with CR LF"
    );
    let after = at + line + 1;
    let number = || -> i64 {
        let text = std::str::from_utf8(&rest[1..line - 1]).expect("a number");
        text.parse().expect("a number")
    };
    match rest[0] {
        b'+' | b'-' | b':' | b'_' => after,
        b'$' | b'=' => match usize::try_from(number()) {
            Ok(length) => {
                let end = after + length + 2;
                assert_eq!(
                    bytes.get(end - 2..end),
                    Some(&b"\r\n"[..]),
                    "a bulk ends with CR LF"
                );
                end
            }
            Err(_) => after,
        },
        kind @ (b'*' | b'~' | b'%' | b'>') => {
            let elements = number().max(0) * if kind == b'%' { 2 } else { 1 };
            (0..elements).fold(after, |at, _| end_of_reply(bytes, at))
        }
        other => panic!("no reply starts with {:?}", char::from(other)),
    }
}
