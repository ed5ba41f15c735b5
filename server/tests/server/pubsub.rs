//! Publishing, subscribing, and what becomes of those who do not listen.

use crate::common::{Client, frame, start, start_with};
use crate::real_redis::Redis;
use std::time::Duration;

/// Sends a command and collects replies and messages until `ECHO` or `PING` comes back.
fn told(client: &mut Client, command: &str) -> String {
    let words: Vec<_> = command.split(' ').collect();
    client.command(&words);
    fence(client)
}

/// Whatever was sent to a client before this moment.
fn fence(client: &mut Client) -> String {
    client.send("PING fence\r\n");
    let mut all = Vec::new();
    loop {
        let reply = client.reply();
        // To a subscriber it is an array.
        if reply.ends_with("$5 fence") {
            return all.join(" | ");
        }
        all.push(reply);
    }
}

#[test]
fn subscribers_get_what_is_published_and_nothing_after_they_left() {
    let fixture = start();
    let (mut one, mut two, mut speaker) = (fixture.connect(), fixture.connect(), fixture.connect());
    assert_eq!(one.ask("SUBSCRIBE news"), "*3 $9 subscribe $4 news :1");
    assert_eq!(two.ask("PSUBSCRIBE n*"), "*3 $10 psubscribe $2 n* :1");
    assert_eq!(speaker.ask("PUBLISH news hello"), ":2");
    assert_eq!(speaker.ask("PUBLISH nothing x"), ":1");
    assert_eq!(speaker.ask("PUBLISH other x"), ":0");
    assert_eq!(one.reply(), "*3 $7 message $4 news $5 hello");
    assert_eq!(two.reply(), "*4 $8 pmessage $2 n* $4 news $5 hello");
    assert_eq!(two.reply(), "*4 $8 pmessage $2 n* $7 nothing $1 x");
    assert_eq!(speaker.ask("PUBLISH news last"), ":2");
    assert_eq!(
        told(&mut one, "UNSUBSCRIBE"),
        "*3 $7 message $4 news $4 last | *3 $11 unsubscribe $4 news :0"
    );
    assert_eq!(speaker.ask("PUBLISH news unheard"), ":1");
    assert_eq!(fence(&mut one), "");
    assert_eq!(one.ask("GET k"), "$-1");
}

#[test]
fn subscribing_is_as_in_redis() {
    let Some(redis) = Redis::start() else { return };
    let fixture = start();
    let script = [
        "SUBSCRIBE a b a",
        "GET x",
        "PSUBSCRIBE a*",
        "CLIENT SETNAME x",
        "UNSUBSCRIBE a",
        "PUNSUBSCRIBE x",
        "PUNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "UNSUBSCRIBE b",
        "UNSUBSCRIBE",
        "SSUBSCRIBE s t",
        "SUBSCRIBE",
        "SUNSUBSCRIBE s",
        "SUNSUBSCRIBE",
        "SUNSUBSCRIBE",
        "PUBSUB",
        "PUBSUB CHANNELS",
        "PUBSUB CHANNELS a b",
        "PUBSUB NUMSUB a b",
        "PUBSUB NUMPAT x",
        "PUBSUB SHARDNUMSUB a",
        "PUBSUB SHARDCHANNELS",
        "PUBSUB FOO",
        "PUBSUB HELP",
        "SUBSCRIBE a",
        "PUBLISH a x",
        "RESET",
        "PUBLISH a x",
        "PUBSUB NUMSUB a",
        "HELLO2",
        "SSUBSCRIBE s",
        "PUBLISH s 1",
        "RESET",
        "CLIENT KILL TYPE pubsub",
        "CLIENT LIST TYPE pubsub",
    ];
    let (mut ours, mut theirs) = (fixture.connect(), Client::connect(redis.address));
    for command in script {
        let both = [&mut ours, &mut theirs].map(|client| told(client, command));
        assert_eq!(both[0], both[1], "{command}");
    }
    for client in [&mut ours, &mut theirs] {
        told(client, "HELLO 3");
    }
    let script = [
        "SUBSCRIBE a",
        "PUBLISH a hi",
        "GET nothing",
        "PING",
        "PSUBSCRIBE a* b*",
        "PUBLISH a two",
        "SSUBSCRIBE s",
        "SPUBLISH s hi",
        "PUBSUB CHANNELS",
        "PUBSUB NUMSUB a",
        "PUBSUB NUMPAT",
        "PUBSUB SHARDCHANNELS",
        "CLIENT REPLY OFF",
        "SUBSCRIBE z",
        "PUBLISH z 1",
        "CLIENT REPLY ON",
        "UNSUBSCRIBE a",
        "RESET",
    ];
    for command in script {
        let both = [&mut ours, &mut theirs].map(|client| {
            let words: Vec<_> = command.split(' ').collect();
            client.command(&words);
            if command.starts_with("CLIENT REPLY OFF") || command == "PUBLISH z 1" {
                return String::new();
            }
            client.reply()
        });
        assert_eq!(both[0], both[1], "{command}");
    }
}

#[test]
fn a_transaction_may_publish_to_its_own_client() {
    let fixture = start();
    let mut client = fixture.connect();
    client.ask("HELLO 3");
    client.ask("SUBSCRIBE a");
    for command in ["MULTI", "PUBLISH a x", "SET k v"] {
        client.ask(command);
    }
    client.command(&["EXEC"]);
    assert_eq!(client.reply(), "*2 :1 +OK");
    assert_eq!(client.reply(), ">3 $7 message $1 a $1 x");
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_and_delays_nobody() {
    let fixture = start_with(|config| config.limits.mail.hard_bytes = 1 << 20);
    let (mut deaf, mut keen) = (fixture.connect(), fixture.connect());
    deaf.ask("SUBSCRIBE c");
    keen.ask("SUBSCRIBE c");
    let mut speaker = fixture.connect();
    let message = "m".repeat(100_000);
    let mut left = 2;
    let mut heard = 0;
    while left > 1 {
        speaker.command(&["PUBLISH", "c", &message]);
        let reply = speaker.reply();
        left = reply[1..].parse().unwrap();
        heard += 1;
        assert_eq!(keen.raw_reply().len(), 100_035);
        assert!(heard < 1_000, "the other one is not cut");
    }
    assert!(
        speaker
            .ask("INFO stats")
            .contains("client_output_buffer_limit_disconnections:1")
    );
    // What was on its way to it ends somewhere; then the connection does.
    deaf.rest();
}

#[test]
fn clients_that_hold_most_are_closed_first_when_all_hold_too_much() {
    let fixture = start_with(|config| config.limits.output_bytes_max = 66 << 20);
    let mut speaker = fixture.connect();
    speaker.command(&["SET", "k", &"v".repeat(1 << 20)]);
    assert_eq!(speaker.reply(), "+OK");
    // Each asks for more than the system's buffers take, and reads nothing.
    let mut greedy: Vec<Client> = (0..4).map(|_| fixture.connect()).collect();
    for (who, client) in greedy.iter_mut().enumerate() {
        let count = if who == 1 { 24 } else { 11 };
        let mut words = vec!["MGET"];
        words.resize(1 + count, "k");
        client.send(frame(&words));
        // It was gathered, and waits; the last one is too much.
        let held = (who + 1) * (11 << 20);
        while output_bytes(&mut speaker) < held
            && !speaker.ask("INFO stats").contains("evicted_clients:1")
        {}
    }
    while !speaker.ask("INFO stats").contains("evicted_clients:1") {}
    assert_eq!(speaker.ask("STRLEN k"), ":1048576");
    for (who, client) in greedy.iter_mut().enumerate() {
        match who {
            1 => drop(client.rest()),
            _ => assert_eq!(client.raw_reply().len(), 11 * ((1 << 20) + 12) + 5),
        }
    }
    while !speaker.ask("INFO memory").contains("client_output_bytes:0") {}
}

fn output_bytes(client: &mut Client) -> usize {
    let info = client.ask("INFO memory");
    let (_, rest) = info.split_once("client_output_bytes:").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn keyspace_events_are_those_of_redis() {
    let Some(redis) = Redis::start() else { return };
    let fixture = start();
    let script = include_str!("events.txt");
    for classes in ["KEA", "KEAmn", "Kg", "E$xm", "An"] {
        let mut pairs = [
            (fixture.connect(), fixture.connect()),
            (
                Client::connect(redis.address),
                Client::connect(redis.address),
            ),
        ];
        for (client, listener) in &mut pairs {
            client.ask("FLUSHALL");
            let words = ["CONFIG", "SET", "notify-keyspace-events", classes];
            client.command(&words);
            assert_eq!(client.reply(), "+OK");
            listener.ask("PSUBSCRIBE __key*");
        }
        for command in script.lines() {
            let words: Vec<_> = command.split(' ').collect();
            let both = pairs.each_mut().map(|(client, listener)| {
                client.command(&words);
                client.reply();
                fence(listener)
            });
            assert_eq!(both[0], both[1], "{command} with {classes}");
        }
        let shown = pairs
            .each_mut()
            .map(|(client, _)| client.ask("CONFIG GET notify-keyspace-events"));
        assert_eq!(shown[0], shown[1]);
    }
}

#[test]
fn the_end_of_a_key_is_told_when_it_comes_also_of_keys_that_were_there_before() {
    const MESSAGE: &str = "*3 $7 message $22 __keyevent@0__:expired";
    let fixture = start();
    let (mut client, mut listener) = (fixture.connect(), fixture.connect());
    client.ask("SET before v PX 300");
    client.ask("SET kept v PX 300");
    client.ask("CONFIG SET notify-keyspace-events Ex");
    listener.ask("SUBSCRIBE __keyevent@0__:expired");
    client.ask("SET after v PX 50");
    client.ask("PERSIST kept");
    client.ask("SET deleted v PX 40");
    client.ask("DEL deleted");
    client.ask("SET over v PXAT 1");
    assert_eq!(listener.reply(), format!("{MESSAGE} $4 over"));
    let mut told = [listener.reply(), listener.reply()];
    told.sort();
    let expected = ["$5 after", "$6 before"].map(|key| format!("{MESSAGE} {key}"));
    assert_eq!(told, expected);
    assert_eq!(client.ask("EXISTS before after kept"), ":1");
}

#[test]
fn nothing_is_told_of_a_transaction_that_the_store_refuses() {
    let fixture = start_with(|config| config.store.engine.value_bytes_max = 100);
    let (mut client, mut listener) = (fixture.connect(), fixture.connect());
    client.ask("CONFIG SET notify-keyspace-events KEA");
    listener.ask("PSUBSCRIBE *");
    client.ask("MULTI");
    client.ask("SET a 1");
    client.command(&["SET", "b", &"v".repeat(200)]);
    client.reply();
    assert!(client.ask("EXEC").starts_with("-ERR the value has 200"));
    assert_eq!(fence(&mut listener), "");
    assert_eq!(client.ask("EXISTS a"), ":0");
}

#[test]
fn many_clients_talk_at_once_and_each_hears_every_message_in_order() {
    const CLIENTS: usize = 8;
    const MESSAGES: usize = 300;
    let fixture = start();
    let mut listeners: Vec<Client> = (0..CLIENTS).map(|_| fixture.connect()).collect();
    for listener in &mut listeners {
        listener.ask("SUBSCRIBE c");
    }
    std::thread::scope(|scope| {
        for speaker in 0..CLIENTS {
            let mut client = fixture.connect();
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    client.send(format!("PUBLISH c {speaker}:{n}\r\n"));
                }
                for _ in 0..MESSAGES {
                    assert_eq!(client.reply(), format!(":{CLIENTS}"));
                }
            });
        }
        for mut listener in listeners {
            scope.spawn(move || {
                let mut next = [0; CLIENTS];
                for _ in 0..CLIENTS * MESSAGES {
                    let message = listener.reply();
                    let (_, text) = message.rsplit_once(' ').unwrap();
                    let (speaker, n) = text.split_once(':').unwrap();
                    let expected = &mut next[speaker.parse::<usize>().unwrap()];
                    assert_eq!(n.parse::<usize>().unwrap(), *expected);
                    *expected += 1;
                }
            });
        }
    });
}

#[test]
fn subscriptions_are_limited_and_leave_nothing_behind() {
    let fixture = start_with(|config| config.limits.queue_bytes_max = 1 << 20);
    let mut client = fixture.connect();
    let names: Vec<String> = (0..2_000).map(|n| format!("channel{n}")).collect();
    let mut words = vec!["SUBSCRIBE".to_owned()];
    words.extend(names);
    for _ in 0..3 {
        for word in &mut words[1..] {
            word.push('x');
        }
        client.command(&words);
        let mut reply = client.reply();
        for _ in 1..2_000 {
            if reply.starts_with('-') {
                break;
            }
            reply = client.reply();
        }
        if reply.starts_with('-') {
            let error = "-ERR the subscriptions need more memory than a client may use";
            assert_eq!(reply, error);
            drop(client);
            let mut other = fixture.connect();
            while other.ask("PUBSUB CHANNELS") != "*0" {}
            return;
        }
    }
    panic!("no limit");
}

#[test]
fn a_message_wakes_a_client_that_waits_and_resets_no_timeout() {
    let fixture = start_with(|config| config.limits.progress = Duration::from_millis(300));
    let (mut listener, mut speaker) = (fixture.connect(), fixture.connect());
    listener.ask("SUBSCRIBE c");
    // Half a command: its time runs, whatever is heard meanwhile.
    listener.send("*2\r\n$4");
    while listener.next_reply().is_some() || !speaker.ask("PUBSUB NUMSUB c").ends_with(":0") {
        speaker.ask("PUBLISH c x");
        if speaker.ask("PUBSUB NUMSUB c").ends_with(":0") {
            break;
        }
    }
    assert!(speaker.ask("INFO stats").contains("clients_cut_for_time:1"));
}
