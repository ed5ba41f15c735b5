//! The `redis` crate on a server.

use redis::Commands;

fn main() -> redis::RedisResult<()> {
    let url = std::env::args().nth(1);
    run(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))
}

/// What `main` does, on the server at this URL.
pub fn run(url: &str) -> redis::RedisResult<()> {
    let mut db = redis::Client::open(url)?.get_connection()?;
    let _: () = db.set_ex("cat", "meow", 60)?;
    let (count, cat): (i64, String) = redis::pipe()
        .atomic() // one atomic batch, also across a crash
        .incr("count", 1)
        .get("cat")
        .query(&mut db)?;
    println!("{count} {cat}");
    Ok(())
}
