//! Watch: every change, in order, and resumable.

use crate::common::{Client, put, resp, run, start};
use portcask_server::grpc::proto::{Change, DeleteRequest, WatchPage, WatchRequest};
use tonic::{Code, Streaming};

async fn watch(client: &mut Client, from_seq: Option<u64>, prefix: &str) -> Streaming<WatchPage> {
    let prefix = prefix.into();
    let asked = WatchRequest { from_seq, prefix };
    client.watch(asked).await.unwrap().into_inner()
}

/// The next changes, at least one, and what to go on with.
async fn changes(pages: &mut Streaming<WatchPage>) -> (Vec<Change>, u64) {
    loop {
        let page = pages.message().await.unwrap().unwrap();
        if !page.changes.is_empty() {
            return (page.changes, page.next_seq);
        }
    }
}

#[test]
fn a_watch_tells_what_was_and_what_comes_by_either_door() {
    let fixture = start();
    let mut redis = fixture.redis();
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("a", "1")).await.unwrap();
        let mut pages = watch(&mut client, Some(0), "").await;
        let (found, _) = changes(&mut pages).await;
        assert_eq!(
            (&found[0].key[..], found[0].value.as_deref()),
            (&b"a"[..], Some(&b"1"[..]))
        );
        resp(&mut redis, &["SET", "b", "", "PX", "500000"]);
        let (found, _) = changes(&mut pages).await;
        assert_eq!(
            (&found[0].key[..], found[0].value.as_deref()),
            (&b"b"[..], Some(&b""[..]))
        );
        assert!(found[0].expires_at_ms.is_some());
        client
            .delete(DeleteRequest {
                keys: vec![b"a".to_vec()],
            })
            .await
            .unwrap();
        let (found, _) = changes(&mut pages).await;
        assert_eq!(
            (&found[0].key[..], found[0].value.as_deref()),
            (&b"a"[..], None)
        );
    });
}

#[test]
fn a_watch_without_a_number_begins_with_what_comes_and_says_from_where() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("before", "1")).await.unwrap();
        let mut pages = watch(&mut client, None, "").await;
        let first = pages.message().await.unwrap().unwrap();
        assert!(first.changes.is_empty());
        client.put(put("after", "2")).await.unwrap();
        let (found, _) = changes(&mut pages).await;
        assert_eq!(found[0].key, b"after");
        assert_eq!(found[0].seq, first.next_seq);
    });
}

#[test]
fn a_broken_watch_goes_on_after_a_restart_without_a_gap_or_a_repeat() {
    let mut fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        for number in 0..600 {
            client
                .put(put(&format!("k{number}"), vec![b'v'; 5000]))
                .await
                .unwrap();
        }
        let mut pages = watch(&mut client, Some(0), "").await;
        let (mut seen, mut next) = changes(&mut pages).await;
        assert!(seen.len() < 600, "one page is not all");
        drop((pages, client));
        fixture.restart().await;
        let mut client = fixture.connect().await;
        let mut pages = watch(&mut client, Some(next), "").await;
        while seen.len() < 600 {
            let (more, then) = changes(&mut pages).await;
            seen.extend(more);
            next = then;
        }
        let keys: Vec<_> = seen.iter().map(|change| change.key.clone()).collect();
        let expected: Vec<_> = (0..600)
            .map(|number| format!("k{number}").into_bytes())
            .collect();
        assert_eq!(keys, expected);
        assert_eq!(next, seen[599].seq + 1);
    });
}

#[test]
fn a_prefix_leaves_others_out_and_the_mark_moves_on_over_them() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        for number in 0..300 {
            client
                .put(put(&format!("other{number}"), "v"))
                .await
                .unwrap();
        }
        client.put(put("mine", "v")).await.unwrap();
        let mut pages = watch(&mut client, Some(0), "mi").await;
        let (mut marks, mut found) = (Vec::new(), Vec::new());
        while found.is_empty() {
            let page = pages.message().await.unwrap().unwrap();
            marks.push(page.next_seq);
            found = page.changes;
        }
        assert_eq!(found[0].key, b"mine");
        assert!(marks.len() > 2 && marks.is_sorted(), "{marks:?}");
    });
}

#[test]
fn what_merge_has_dropped_is_out_of_range_and_zero_begins_where_the_log_is_whole() {
    let fixture = start();
    let mut redis = fixture.redis();
    run(async {
        let mut client = fixture.connect().await;
        for _ in 0..10 {
            client.put(put("k", vec![0; 1000])).await.unwrap();
        }
        resp(&mut redis, &["PORTCASK.MERGE"]);
        let mut pages = watch(&mut client, Some(1), "").await;
        let lost = loop {
            match pages.message().await {
                Ok(Some(page)) => assert!(page.changes.is_empty(), "{page:?}"),
                Ok(None) => panic!("the stream ended without a word"),
                Err(status) => break status,
            }
        };
        assert_eq!(lost.code(), Code::OutOfRange, "{lost}");
        let mut pages = watch(&mut client, Some(0), "").await;
        client.put(put("k", "new")).await.unwrap();
        loop {
            let (found, _) = changes(&mut pages).await;
            if found.last().unwrap().value.as_deref() == Some(b"new") {
                break;
            }
        }
    });
}

#[test]
fn a_number_beyond_the_log_is_out_of_range_and_the_next_one_waits() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        client.put(put("k", "1")).await.unwrap();
        let beyond = WatchRequest {
            from_seq: Some(3),
            prefix: Vec::new(),
        };
        let refused = client.watch(beyond).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
        let mut pages = watch(&mut client, Some(2), "").await;
        client.put(put("k", "2")).await.unwrap();
        let (found, _) = changes(&mut pages).await;
        assert_eq!(found[0].seq, 2);
    });
}

#[test]
fn many_writers_are_seen_in_one_order_by_every_watcher() {
    let fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        let mut first = watch(&mut client, None, "").await;
        let mut second = watch(&mut client, None, "").await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let mut client = client.clone();
            writers.spawn(async move {
                for number in 0..50 {
                    client
                        .put(put(&format!("k{}", number % 5), format!("{writer}")))
                        .await
                        .unwrap();
                }
            });
        }
        let (mut told, mut also) = (Vec::new(), Vec::new());
        for (pages, into) in [(&mut first, &mut told), (&mut second, &mut also)] {
            while into.len() < 400 {
                into.extend(changes(pages).await.0);
            }
        }
        writers.join_all().await;
        assert_eq!(told, also);
        assert!(told.windows(2).all(|two| two[0].seq < two[1].seq));
    });
}

#[test]
fn a_watch_ends_with_a_word_when_the_server_stops() {
    let mut fixture = start();
    run(async {
        let mut client = fixture.connect().await;
        let mut pages = watch(&mut client, None, "").await;
        pages.message().await.unwrap().unwrap();
        let (ended, ()) = tokio::join!(pages.message(), fixture.stop());
        assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    });
}
