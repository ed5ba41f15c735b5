//! Put, Get, Delete, Batch, Keys, Scan: one store, whichever door.

use crate::common::{put, resp, run, start, start_with, with_prefix};
use portcask_server::SyncPolicy;
use portcask_server::grpc::MESSAGE_BYTES_MAX;
use portcask_server::grpc::proto::deed::Deed as One;
use portcask_server::grpc::proto::expiry::At;
use portcask_server::grpc::proto::{
    BatchRequest, Condition, Deed, DeleteRequest, Expiry, GetRequest, Precondition, ScanRequest,
    Write,
};
use redis::Value;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;
use tonic::{Code, Request};

fn get(key: &str) -> GetRequest {
    GetRequest { key: key.into() }
}

fn after(ms: u64) -> Option<Expiry> {
    Some(Expiry {
        at: Some(At::AfterMs(ms)),
    })
}

#[test]
fn what_one_door_stores_the_other_shows() {
    let fixture = start();
    let mut redis = fixture.redis();
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("k", b"\0\xff\r\n".to_vec())).await.unwrap();
        assert_eq!(
            resp(&mut redis, &["GET", "k"]),
            Value::BulkString(b"\0\xff\r\n".to_vec())
        );
        resp(&mut redis, &["SET", "r", "", "PX", "500000"]);
        let found = client.get(get("r")).await.unwrap().into_inner();
        assert_eq!(found.value, Some(Vec::new()), "an empty value is a value");
        assert!(found.expires_at_ms.is_some());
        let nothing = client.get(get("nobody")).await.unwrap().into_inner();
        assert_eq!((nothing.value, nothing.expires_at_ms), (None, None));
        let short = portcask_server::grpc::proto::PutRequest {
            expiry: after(500_000),
            ..put("short", "v")
        };
        client.put(short).await.unwrap();
        let Value::Int(left) = resp(&mut redis, &["PTTL", "short"]) else {
            panic!()
        };
        assert!((400_000..=500_000).contains(&left), "{left}");
        let keys = ["k", "r", "nobody", "short"]
            .map(|key| key.as_bytes().to_vec())
            .to_vec();
        let deleted = client
            .delete(DeleteRequest { keys })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(deleted.deleted, 3);
        assert_eq!(resp(&mut redis, &["DBSIZE"]), Value::Int(0));
    });
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        let one = |deed| Deed { deed: Some(deed) };
        let write = |key: &[u8], value: &str| {
            one(One::Put(Write {
                key: key.to_vec(),
                value: value.into(),
                expiry: None,
            }))
        };
        let mut batch = BatchRequest {
            deeds: vec![
                write(b"a", "1"),
                write(b"b", "2"),
                one(One::Delete(b"a".to_vec())),
            ],
            preconditions: vec![Precondition {
                key: b"b".to_vec(),
                condition: Condition::Absent.into(),
            }],
        };
        client.batch(batch.clone()).await.unwrap();
        assert_eq!(client.get(get("a")).await.unwrap().into_inner().value, None);
        assert_eq!(
            client.get(get("b")).await.unwrap().into_inner().value,
            Some(b"2".to_vec())
        );
        batch.deeds = vec![write(b"c", "3")];
        let refused = client.batch(batch.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        batch.preconditions.clear();
        batch.deeds.push(write(&[b'k'; 65_536], "too long a key"));
        let refused = client.batch(batch.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        batch.deeds[1] = Deed { deed: None };
        let refused = client.batch(batch).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert_eq!(client.get(get("c")).await.unwrap().into_inner().value, None);
        let unknown = portcask_server::grpc::proto::PutRequest {
            condition: 77,
            ..put("c", "3")
        };
        let refused = client.put(unknown).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    });
}

#[test]
fn a_scan_shows_every_key_once_in_pages_that_clients_take_and_can_be_gone_on_with() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        let deeds = (0..1000).map(|number| Deed {
            deed: Some(One::Put(Write {
                key: format!("n{number:04}").into_bytes(),
                value: vec![b'v'; 10_000],
                expiry: None,
            })),
        });
        let deeds: Vec<_> = deeds.collect();
        let batch = BatchRequest {
            deeds,
            preconditions: Vec::new(),
        };
        client.batch(batch).await.unwrap();
        client.put(put("other", "1")).await.unwrap();
        let mut pages = client.scan(with_prefix("n")).await.unwrap().into_inner();
        let (mut seen, mut marks) = (Vec::new(), Vec::new());
        // The client's own limit is 4 MiB for a message, and this is 10 MB.
        while let Some(page) = pages.message().await.unwrap() {
            assert!(page.entries.iter().all(|entry| entry.value.len() == 10_000));
            seen.extend(page.entries.into_iter().map(|entry| entry.key));
            marks.extend(page.next_cursor);
        }
        assert_eq!(seen.len(), 1000);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert_eq!(marks.last(), Some(&0));
        let (mut listed, mut cursor, mut calls) = (BTreeSet::new(), 0, 0);
        loop {
            let asked = ScanRequest {
                limit: 300,
                cursor,
                ..with_prefix("n")
            };
            let mut pages = client.keys(asked).await.unwrap().into_inner();
            let mut count = 0;
            while let Some(page) = pages.message().await.unwrap() {
                count += page.keys.len();
                listed.extend(page.keys);
                cursor = page.next_cursor.unwrap();
            }
            assert!(count <= 300, "{count}");
            calls += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(listed.len(), 1000);
        assert!(calls >= 4, "{calls}");
        let mut all = client
            .keys(ScanRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut count = 0;
        while let Some(page) = all.message().await.unwrap() {
            count += page.keys.len();
        }
        assert_eq!(count, 1001);
    });
}

#[test]
fn without_the_password_nothing_is_read_and_nothing_done() {
    let fixture = start_with(|config| config.password = Some("s3cret".into()));
    run(async {
        let mut client = fixture.connect().await;
        let said = |words: Option<&str>| {
            let mut request = Request::new(put("k", "v"));
            if let Some(words) = words {
                request
                    .metadata_mut()
                    .insert("authorization", words.parse().unwrap());
            }
            request
        };
        for wrong in [None, Some("Bearer wrong"), Some("s3cret"), Some("Bearer ")] {
            let refused = client.put(said(wrong)).await.unwrap_err();
            assert_eq!(
                refused.code(),
                Code::Unauthenticated,
                "{wrong:?}: {refused}"
            );
            assert!(!refused.message().contains("s3cret"));
        }
        client.put(said(Some("Bearer s3cret"))).await.unwrap();
        let refused = client.keys(ScanRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    });
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        let refused = client
            .put(put("k", vec![0; MESSAGE_BYTES_MAX]))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
        client
            .put(put("k", vec![7; MESSAGE_BYTES_MAX - 1000]))
            .await
            .unwrap();
        let mut client = client.max_decoding_message_size(MESSAGE_BYTES_MAX + 1000);
        let found = client.get(get("k")).await.unwrap().into_inner();
        assert_eq!(found.value.unwrap().len(), MESSAGE_BYTES_MAX - 1000);
    });
}

#[test]
fn a_silent_connection_is_closed_and_too_many_are_refused() {
    use std::io::Read;
    let fixture = start_with(|config| {
        config.limits.handshake = Duration::from_millis(50);
        config.limits.clients_max = 1;
    });
    let mut silent = TcpStream::connect(fixture.grpc).unwrap();
    silent
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("k", "v")).await.unwrap();
        let mut second = TcpStream::connect(fixture.grpc).unwrap();
        second
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let read = tokio::task::spawn_blocking(move || second.read(&mut [0; 10]))
            .await
            .unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        client.put(put("k", "w")).await.unwrap();
    });
}

#[test]
fn connections_of_both_doors_count_against_the_limit_of_their_address() {
    use std::io::Read;
    let fixture = start_with(|config| config.limits.clients_per_address_max = Some(2));
    let resp = TcpStream::connect(fixture.resp).unwrap();
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("k", "v")).await.unwrap();
        let mut third = TcpStream::connect(fixture.grpc).unwrap();
        third
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let read = tokio::task::spawn_blocking(move || third.read(&mut [0; 10]))
            .await
            .unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        client.put(put("k", "w")).await.unwrap();
    });
    drop(resp);
}

#[test]
fn what_was_acknowledged_under_always_is_there_after_a_restart() {
    let mut fixture = start_with(|config| config.sync = SyncPolicy::Always);
    run(async {
        let client = fixture.connect().await;
        let mut puts = tokio::task::JoinSet::new();
        for number in 0..32 {
            let mut client = client.clone();
            puts.spawn(async move { client.put(put(&format!("k{number}"), "v")).await.unwrap() });
        }
        puts.join_all().await;
        drop(client);
        fixture.restart().await;
        let mut client = fixture.connect().await;
        for number in 0..32 {
            let found = client.get(get(&format!("k{number}"))).await.unwrap();
            assert!(found.into_inner().value.is_some(), "{number}");
        }
    });
}

#[test]
fn who_listens_for_keyspace_events_hears_of_both_doors() {
    let fixture = start();
    let mut redis = fixture.redis();
    resp(
        &mut redis,
        &["CONFIG", "SET", "notify-keyspace-events", "EA"],
    );
    let mut heard = Vec::new();
    let mut listener = fixture.redis();
    let patience = Some(Duration::from_secs(30));
    listener.set_read_timeout(patience).unwrap();
    let mut subscribed = listener.as_pubsub();
    subscribed.psubscribe("__keyevent@0__:*").unwrap();
    run(async {
        let mut client = fixture.connect().await;
        let short = portcask_server::grpc::proto::PutRequest {
            expiry: after(500_000),
            ..put("k", "v")
        };
        client.put(short).await.unwrap();
        let keys = vec![b"k".to_vec()];
        client.delete(DeleteRequest { keys }).await.unwrap();
    });
    while heard.len() < 3 {
        let message = subscribed.get_message().unwrap();
        heard.push(
            message
                .get_channel_name()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(heard, ["set", "expire", "del"]);
}

/// A request of this user, who knows the password.
fn by<T>(user: &str, password: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("portcask-user", user.parse().unwrap());
    let bearer = format!("Bearer {password}");
    metadata.insert("authorization", bearer.parse().unwrap());
    request
}

#[test]
fn a_user_may_do_by_this_door_what_its_rules_say_and_no_more() {
    let rules = "on >secret ~a:* -@all +get +set +scan +portcask.tail";
    let rules: Vec<_> = rules.split(' ').map(str::to_owned).collect();
    let alice = portcask_server::User::parse("alice", &rules).unwrap();
    let fixture = start_with(|config| config.users = vec![alice]);
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("z", "zed")).await.unwrap();
        client
            .put(by("alice", "secret", put("a:1", "one")))
            .await
            .unwrap();
        let found = client.get(by("alice", "secret", get("a:1"))).await.unwrap();
        assert_eq!(found.into_inner().value.unwrap(), b"one");
        let keys = vec![b"a:1".to_vec()];
        let refusals = [
            client
                .put(by("alice", "secret", put("z", "v")))
                .await
                .unwrap_err(),
            client
                .get(by("alice", "secret", get("z")))
                .await
                .unwrap_err(),
            client
                .delete(by("alice", "secret", DeleteRequest { keys }))
                .await
                .unwrap_err(),
        ];
        for refused in refusals {
            assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        }
        for (user, password) in [("alice", "wrong"), ("nobody", "secret")] {
            let refused = client
                .get(by(user, password, get("a:1")))
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
        }
        let mut pages = client
            .scan(by("alice", "secret", ScanRequest::default()))
            .await
            .unwrap()
            .into_inner();
        let mut seen = Vec::new();
        while let Some(page) = pages.message().await.unwrap() {
            seen.extend(page.entries.into_iter().map(|it| it.key));
        }
        assert_eq!(seen, [b"a:1"]);
        let all = portcask_server::grpc::proto::WatchRequest {
            from_seq: Some(0),
            ..Default::default()
        };
        let mut changes = client
            .watch(by("alice", "secret", all))
            .await
            .unwrap()
            .into_inner();
        let found = loop {
            let page = changes.message().await.unwrap().unwrap();
            if let Some(first) = page.changes.into_iter().next() {
                break first;
            }
        };
        assert_eq!(found.key, b"a:1");
    });
}
