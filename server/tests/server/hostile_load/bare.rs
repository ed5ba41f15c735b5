//! The least that a server can do under the same attack: what that costs the one client is the machine's doing.

use super::attack::{this_program_as, wait_for_line};
use std::net::SocketAddr;
use std::process::Child;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one who asks for much is sent at most.
static REPLY: [u8; 1 << 20] = [b'v'; 1 << 20];
/// Who has sent more than this asks for much.
const MUCH: usize = 64 << 10;

/// A process that accepts, reads and throws away. Who asks for much is sent what it takes at once of a megabyte, and
/// closed. Dropping it ends it.
pub struct Bare {
    child: Child,
    pub address: SocketAddr,
}

impl Bare {
    pub fn start() -> Self {
        let mut child = this_program_as("hostile_load::bare::acceptor", 0)
            .spawn()
            .unwrap();
        let address = wait_for_line(&mut child, "listening ").parse().unwrap();
        Self { child, address }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "the process that the test of the load compares with, and starts"]
fn acceptor() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("\nlistening {}", listener.local_addr().unwrap());
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        };
        // It ends when whoever started it does.
        let left =
            tokio::task::spawn_blocking(|| std::io::Read::read(&mut std::io::stdin(), &mut [0]));
        tokio::select! {
            () = accept => {}
            _ = left => {}
        }
    });
}

async fn serve(mut stream: TcpStream) {
    let mut read = 0;
    loop {
        match stream.read(&mut [0; 16 << 10]).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => read += bytes,
        }
        if read > MUCH {
            let _ = stream.write(&REPLY).await;
            return;
        }
    }
}
