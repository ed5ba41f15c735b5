//! An embedded store's verbs on a server.

use portcask_client::{Ack, Batch, Condition, Error, Expiry, WriteOptions};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))
}

/// What `main` does, on the server at this URL.
pub fn run(url: &str) -> Result<(), Error> {
    let db = portcask_client::open(url)?; // was: portcask::open("store")?
    db.put(b"cat", b"meow")?;

    let durable = WriteOptions {
        ack: Some(Ack::Synced), // answered once it is on the disk
        expiry: Expiry::AfterMs(60_000),
        ..Default::default()
    };
    db.put_with(b"dog", b"woof", &durable)?;

    let mut batch = Batch::new();
    batch.put("a", "1").delete("cat");
    batch.require("cat", Condition::Present);
    match db.write(&batch) {
        Ok(()) => {}
        Err(Error::ConditionFailed { .. }) => println!("somebody was faster, nothing was written"),
        Err(Error::AnswerLost { .. }) => println!("it may have been written: read to know"),
        Err(error) => return Err(error),
    }

    let count = db.transaction(|t| {
        let count = t.get(b"a")?.map_or(0, |value| value.len());
        t.put(b"lengths", count.to_string());
        Ok(count)
    })?;
    for entry in db.scan_prefix(b"l") {
        println!("{count}, and {:?}", entry?.value);
    }
    db.close()
}
