//! Clients go from where much is asked for to where little is, and back, while they are served.

use crate::common::{Client, Fixture, frame, start, start_with};
use portcask_server::DebugCommand;
use std::io::{ErrorKind, Read};
use std::thread;

/// Larger than the replies after which a client counts as one who asks for much.
const BIG_BYTES: usize = 100_000;

fn fill(fixture: &Fixture) -> String {
    let mut client = fixture.connect();
    let big = "v".repeat(BIG_BYTES);
    client.command(&["SET", "big", &big]);
    assert_eq!(client.reply(), "+OK");
    format!("${BIG_BYTES} {big}")
}

#[test]
fn who_asks_for_much_and_for_little_in_turns_gets_every_reply_in_order() {
    let fixture = start();
    let big = fill(&fixture);
    thread::scope(|scope| {
        for number in 0..8 {
            let (fixture, big) = (&fixture, &big);
            scope.spawn(move || {
                let mut client = fixture.connect();
                let key = format!("count{number}");
                let mut count = 0;
                for round in 0..12 {
                    assert_eq!(client.ask("GET big"), *big);
                    // Some rounds are too short to go back, and some commands are on their way meanwhile.
                    for _ in 0..round {
                        count += 1;
                        assert_eq!(client.ask(&format!("INCR {key}")), format!(":{count}"));
                    }
                    let ask = [frame(&["GET", "big"]), frame(&["INCR", &key])].concat();
                    client.send(ask.repeat(5));
                    for _ in 0..5 {
                        count += 1;
                        assert_eq!(client.reply(), *big);
                        assert_eq!(client.reply(), format!(":{count}"));
                    }
                }
            });
        }
    });
    assert_eq!(fixture.connect().ask("DBSIZE"), ":9");
}

#[test]
fn a_subscriber_hears_every_message_while_it_goes_to_its_lane() {
    let fixture = start();
    for round in 10..30 {
        // A subscriber of the round before may not have left yet.
        let channel = format!("news-{round}");
        let mut subscriber = fixture.connect();
        subscriber.command(&["SUBSCRIBE", &channel]);
        let told = format!("*3 $9 subscribe $7 {channel} :1");
        assert_eq!(subscriber.reply(), told);
        let mut publisher = fixture.connect();
        for message in 0..30 {
            publisher.command(&["PUBLISH", &channel, &message.to_string()]);
        }
        for message in 0..30_usize {
            assert_eq!(publisher.reply(), ":1");
            let length = message.to_string().len();
            let told = format!("*3 $7 message $7 {channel} ${length} {message}");
            assert_eq!(subscriber.reply(), told);
        }
    }
}

/// A connection that goes to another lane is opened there anew, which shows in the number that the system knows it by.
#[cfg(target_os = "linux")]
#[test]
fn who_reads_much_and_little_in_turns_stays_in_its_lane_where_all_lanes_are_for_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let server = crate::process::Process::start(dir.path(), &["--threads", "2"]);
    let mut client = Client::connect(server.address);
    let files = || -> Vec<_> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let named = files.filter_map(|file| Some((std::fs::read_link(&file).ok()?, file)));
        let is_socket = |name: &std::path::Path| name.to_string_lossy().starts_with("socket:");
        let mut sockets: Vec<_> = named.filter(|(name, _)| is_socket(name)).collect();
        sockets.sort();
        sockets
    };
    // Its first replies take it to a lane.
    for _ in 0..4 {
        assert_eq!(client.ask("PING"), "+PONG");
    }
    let settled = files();
    for _ in 0..3 {
        for _ in 0..10 {
            client.send(frame(&["GET", "absent"]).repeat(16));
            for _ in 0..16 {
                assert_eq!(client.reply(), "$-1");
            }
        }
        assert_eq!(files(), settled);
        for _ in 0..10 {
            assert_eq!(client.ask("GET absent"), "$-1");
        }
        assert_eq!(files(), settled);
    }
    server.kill();
}

#[test]
fn a_command_that_takes_long_keeps_nobody_waiting_in_its_lane() {
    let fixture = start_with(|config| {
        config.threads = Some(1);
        config.debug_command = DebugCommand::Yes;
    });
    let mut clients: Vec<Client> = (0..4).map(|_| fixture.connect()).collect();
    for client in &mut clients {
        // The first reply takes it to the one lane that there is.
        assert_eq!(client.ask("PING"), "+PONG");
        assert_eq!(client.ask("PING"), "+PONG");
    }
    let (sleeper, others) = clients.split_first_mut().unwrap();
    sleeper.command(&["DEBUG", "SLEEP", "5"]);
    for round in 0..10 {
        for client in &mut *others {
            client.command(&["SET", "key", &round.to_string()]);
            assert_eq!(client.reply(), "+OK");
        }
    }
    sleeper.stream.set_nonblocking(true).unwrap();
    let unanswered = sleeper.stream.read(&mut [0; 8]).unwrap_err();
    assert_eq!(unanswered.kind(), ErrorKind::WouldBlock);
    others[0].command(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert_eq!(others[0].reply(), ":3");
}

#[test]
fn who_is_on_the_way_between_the_two_is_answered_what_it_sent_before_the_server_stops() {
    for _ in 0..5 {
        let fixture = start();
        let big = fill(&fixture);
        let mut clients: Vec<Client> = (0..6).map(|_| fixture.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("GET big"), big);
            let ask = [frame(&["GET", "big"]), frame(&["PING"])].concat();
            client.send(ask.repeat(12));
        }
        // Its replies have begun, so all that it sent in one go has arrived.
        let firsts: Vec<_> = clients.iter_mut().map(Client::reply).collect();
        let stopper = fixture.server.stopper();
        stopper.stop();
        for (client, first) in clients.iter_mut().zip(firsts) {
            assert_eq!(first, big);
            let mut pongs = 0;
            while let Some(reply) = client.next_reply() {
                pongs += usize::from(reply == "+PONG");
                assert!(reply == "+PONG" || reply == big);
            }
            assert_eq!(pongs, 12);
        }
    }
}
