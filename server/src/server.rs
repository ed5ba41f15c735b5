//! The server as a whole: listening, welcoming clients, stopping.

mod clients;
mod counters;
mod error;

pub(crate) use clients::{Clients, Listed};
pub(crate) use counters::Counters;
pub use error::StartError;

use crate::acl::{Guesses, LoginError, User, Users};
use crate::commands::table;
use crate::config::{Config, Limits};
use crate::connection::{self, Stream};
use crate::lanes::{Lanes, Threads};
#[cfg(unix)]
use crate::listen::LocalListener;
use crate::listen::{AcceptRest, Address, Listener};
use crate::observe::{self, Complaints, Observed};
use crate::outgoing::Outgoing;
use crate::pubsub::{Events, Hub};
use crate::session::Client;
use crate::settings::Live;
use crate::store::{Store, Syncing};
use crate::tls;
use crate::upkeep::Upkeep;
use clients::Crowd;
use portcask::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

/// The version of Redis whose commands, replies and errors this server has.
pub(crate) const REDIS_VERSION: &str = "7.0.15";
/// How long clients may take to receive their last replies when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all connections share.
pub(crate) struct Shared {
    pub store: Arc<Store>,
    pub syncing: Arc<Syncing>,
    pub upkeep: Arc<Upkeep>,
    pub clients: Arc<Clients>,
    pub hub: Arc<Hub>,
    pub outgoing: Arc<Outgoing>,
    pub counters: Counters,
    pub observed: Observed,
    pub limits: Limits,
    pub users: Users,
    guesses: Guesses,
    pub live: Live,
    /// Warnings that clients can cause, so that they cannot fill a disk with them.
    pub complaints: Complaints,
    pub config: Config,
    pub started: Instant,
    pub lanes: Lanes,
    /// How many connections of the yard may do what may be much work at a time.
    pub heavy: Arc<Semaphore>,
    /// Input bytes of all clients that are held now.
    pub input_bytes: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    is_stopping: AtomicBool,
}

impl Shared {
    /// Has the server stop, as [`Stopper::stop`] does.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.stop.send_replace(true);
        // Who comes into the list later sees it before the first wait.
        for client in self.clients.all() {
            client.call();
        }
    }

    /// Whether the server is to stop. Clients are [called](Client::call) when it is.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Takes the messages that wait for a client, to be sent next.
    pub(crate) fn take_mail(&self, client: &Arc<Client>) -> Vec<u8> {
        if !client.mailbox.has_mail() {
            return Vec::new();
        }
        let mail = client.mailbox.take();
        self.outgoing.remove_mail(client, mail.capacity());
        mail
    }

    /// The user of this name, if the password is right. Whoever was wrong too often has to wait before the next try.
    pub(crate) fn authenticate(
        &self,
        name: &[u8],
        password: &[u8],
        peer: Option<IpAddr>,
    ) -> Result<Arc<User>, LoginError> {
        let now = Instant::now();
        if peer.is_some_and(|peer| self.guesses.are_too_many(peer, now)) {
            return Err(LoginError::TooMany);
        }
        self.users.authenticate(name, password).ok_or_else(|| {
            if let Some(peer) = peer {
                self.guesses.add(peer, now);
            }
            LoginError::Wrong
        })
    }

    /// Tells when the server is to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    #[cfg(feature = "grpc")]
    grpc_address: Option<SocketAddr>,
    stopper: Stopper,
    thread: Option<thread::JoinHandle<Result<(), Error>>>,
}

/// Stops a server from anywhere.
#[derive(Clone)]
pub struct Stopper(Arc<Shared>);

impl Stopper {
    /// Has the server stop: no new connections, every command that was received whole is answered, then
    /// the store is closed. Returns at once; [`Server::wait`] tells when it is done.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Server {
    /// Opens the sockets and the store, which is made if there is none. Once this returns, clients are served; what
    /// connects before waits. A start that fails leaves no new store behind, and a store is not made among the files
    /// of others.
    pub fn start(mut config: Config) -> Result<Self, StartError> {
        if config.tls.only && config.tls.port.is_none() {
            return Err(StartError::Config("tls-only needs tls-port".to_owned()));
        }
        #[cfg(feature = "grpc")]
        if config.tls.only && config.grpc.is_some() && !config.tls.grpc {
            let words = "tls-only does not allow plain gRPC on grpc-port; set grpc-tls yes";
            return Err(StartError::Config(words.to_owned()));
        }
        let tls = tls::load(&config.tls).map_err(StartError::Tls)?;
        #[cfg(feature = "grpc")]
        let grpc_tls = tls.clone().filter(|_| config.tls.grpc);
        let clients = Arc::new(Clients::default());
        let outgoing = Outgoing::new(config.limits.output_bytes_max);
        let outgoing = Arc::new(outgoing);
        let hub = Arc::new(Hub::new(config.limits.mail, Arc::clone(&outgoing)));
        let events = Events::new(Arc::clone(&hub));
        refuse_strangers(&config)?;
        let threads = Threads::start(config.threads).map_err(StartError::Threads)?;
        let (lanes, runtime) = (threads.lanes(), &threads.yard);
        let Listening {
            listeners,
            addresses,
            tls_addresses,
        } = runtime.block_on(listen(&config, tls))?;
        let metrics = config.metrics_port.map(|port| {
            let address = SocketAddr::new(config.metrics_bind, port);
            runtime.block_on(bind(address))
        });
        let metrics = metrics.transpose()?;
        #[cfg(feature = "grpc")]
        let grpc = crate::grpc::listen(runtime, config.grpc)?;
        #[cfg(feature = "grpc")]
        let grpc_address = grpc.as_ref().and_then(|it| it.local_addr().ok());
        // Once everything else is there, so that a start that fails leaves no new store behind.
        let store = Store::open(&config.dir, config.store.clone(), events);
        let store =
            store.map_err(|error| StartError::Store(config.dir.clone(), Box::new(error)))?;
        // Port 0 has become a port.
        if let Some((_, address)) = &metrics {
            config.metrics_port = Some(address.port());
        }
        if !addresses.is_empty() {
            config.bind.clone_from(&addresses);
        }
        if let Some(address) = tls_addresses.first() {
            config.tls.port = Some(address.port());
        }
        let shared = Arc::new(Shared {
            store: Arc::new(store),
            syncing: Arc::new(Syncing::new(config.sync)),
            upkeep: Arc::new(Upkeep::new()),
            clients,
            hub,
            outgoing,
            counters: Counters::default(),
            observed: Observed::new(config.watching),
            limits: config.limits,
            users: Users::new(&config.users, config.password.as_deref()),
            guesses: Guesses::default(),
            live: Live::new(&config),
            complaints: Complaints::default(),
            started: Instant::now(),
            heavy: Arc::new(Semaphore::new(lanes.yard_threads())),
            lanes,
            input_bytes: Arc::default(),
            stop: watch::Sender::new(false),
            is_stopping: AtomicBool::new(false),
            config,
        });
        if shared.store.events().ask(shared.config.keyspace_events) {
            let store = Arc::clone(&shared.store);
            runtime.spawn_blocking(move || store.note_ends());
        }
        let metrics_address = metrics.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = metrics {
            runtime.spawn(observe::serve_http(Arc::clone(&shared), listener));
        }
        let (syncing, store) = (Arc::clone(&shared.syncing), Arc::clone(&shared.store));
        let sync = thread::Builder::new().name("portcask-sync".into());
        let syncing = sync.spawn(move || syncing.run(&store));
        let syncing = syncing.map_err(StartError::Threads)?;
        let stopper = Stopper(Arc::clone(&shared));
        let run = move || {
            let runtime = &threads.yard;
            #[cfg(feature = "grpc")]
            let beside =
                grpc.map(|it| runtime.spawn(crate::grpc::serve(Arc::clone(&shared), it, grpc_tls)));
            #[cfg(not(feature = "grpc"))]
            let beside = None;
            let closed = runtime.block_on(serve(shared, listeners, beside, syncing));
            threads.end();
            closed
        };
        let thread = thread::Builder::new().name("portcask-server".into());
        let thread = thread.spawn(run).map_err(StartError::Threads)?;
        Ok(Self {
            addresses,
            tls_addresses,
            metrics_address,
            #[cfg(feature = "grpc")]
            grpc_address,
            stopper,
            thread: Some(thread),
        })
    }

    /// Where it listens, in the order of [`Config::bind`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// Where it answers `/metrics` and `/healthz`.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where it listens for gRPC, if it does.
    #[cfg(feature = "grpc")]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc_address
    }

    /// Whether a client must log in before it is served: the default user is off, or has a password.
    pub fn asks_for_password(&self) -> bool {
        let default = self.stopper.0.users.default_user();
        !(default.is_on && default.is_open)
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What its connections share.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.stopper.0)
    }

    /// Returns once it has stopped, and says how closing the store went. Whatever was acknowledged is
    /// durable then, or an error tells why not.
    pub fn wait(mut self) -> Result<(), Error> {
        self.join()
    }

    /// Stops it and waits.
    pub fn stop(self) -> Result<(), Error> {
        self.stopper.stop();
        self.wait()
    }

    fn join(&mut self) -> Result<(), Error> {
        match self.thread.take() {
            // A panic is no orderly end: the store is as after a crash.
            Some(thread) => thread.join().unwrap_or(Err(Error::Poisoned)),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
        // Best effort: nobody is left to tell.
        let _ = self.join();
    }
}

/// A new store has no place among the files of others. Those that the configuration names may lie beside it.
fn refuse_strangers(config: &Config) -> Result<(), StartError> {
    let tls = &config.tls;
    let named = [
        &config.file,
        &config.socket,
        &config.backup_dir,
        &tls.certificate,
        &tls.key,
        &tls.authority,
    ];
    let named: Vec<_> = named
        .into_iter()
        .flatten()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let mut strangers = portcask::strangers(&config.dir);
    strangers.retain(|name| {
        let path = config.dir.join(name).canonicalize();
        !path.is_ok_and(|path| named.contains(&path))
    });
    match strangers.first() {
        None => Ok(()),
        Some(first) => Err(StartError::Strangers(
            config.dir.clone(),
            first.clone(),
            strangers.len(),
        )),
    }
}

/// Everything that clients can connect to.
struct Listening {
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
}

async fn listen(
    config: &Config,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Result<Listening, StartError> {
    let mut listening = Listening {
        listeners: Vec::new(),
        addresses: Vec::new(),
        tls_addresses: Vec::new(),
    };
    for address in config.bind.iter().filter(|_| !config.tls.only) {
        let (listener, address) = bind(*address).await?;
        listening.addresses.push(address);
        listening.listeners.push(Listener::Plain(listener));
    }
    if let Some((tls, port)) = tls.zip(config.tls.port) {
        for address in &config.bind {
            let (listener, address) = bind(SocketAddr::new(address.ip(), port)).await?;
            listening.tls_addresses.push(address);
            let listener = Listener::Tls(listener, Arc::clone(&tls));
            listening.listeners.push(listener);
        }
    }
    #[cfg(unix)]
    if let Some(path) = &config.socket {
        let listener = LocalListener::open(path, config.socket_mode);
        let listener = listener.map_err(|error| StartError::Socket(path.clone(), error))?;
        listening.listeners.push(Listener::Local(listener));
    }
    Ok(listening)
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| StartError::Bind(address, error))?;
    let bound = listener.local_addr().map_err(StartError::Threads)?;
    Ok((listener, bound))
}

/// Accepts until told to stop, then waits for the clients and closes the store.
async fn serve(
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    beside: Option<tokio::task::JoinHandle<()>>,
    syncing: thread::JoinHandle<()>,
) -> Result<(), Error> {
    let telling = tokio::spawn(Events::run(Arc::clone(&shared.store)));
    // Every connection holds a sender: when all are gone, so are the connections.
    let (present, mut gone) = mpsc::channel::<()>(1);
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept(Arc::clone(&shared), listener, present.clone())))
        .collect();
    drop(present);
    let mut stopping = shared.stopping();
    // It cannot be dropped: `shared` holds the other end.
    let _ = stopping.wait_for(|stop| *stop).await;
    tracing::info!(clients = shared.clients.len(), "stopping");
    for accepting in accepting {
        accepting.abort();
    }
    let _ = tokio::time::timeout(FAREWELL, async {
        gone.recv().await;
        if let Some(beside) = beside {
            // It ends by the same signal; a panic of it is an end as well.
            let _ = beside.await;
        }
    })
    .await;
    for client in shared.clients.all() {
        client.kill();
    }
    shared.syncing.end();
    telling.abort();
    let store = Arc::clone(&shared.store);
    let close = move || {
        // It does not panic; a sync that failed is told of by the store.
        let _ = syncing.join();
        store.db().close()
    };
    let closed = tokio::task::spawn_blocking(close).await;
    let closed = closed.unwrap_or(Err(Error::Poisoned));
    match &closed {
        Ok(()) => tracing::info!("stopped; everything is durable"),
        Err(error) => tracing::error!(%error, "the store was not closed cleanly"),
    }
    closed
}

async fn accept(shared: Arc<Shared>, listener: Listener, present: mpsc::Sender<()>) {
    let mut rest = AcceptRest::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer, local)) => {
                rest.is_over();
                let shared = Arc::clone(&shared);
                let present = present.clone();
                tokio::spawn(welcome(shared, stream, peer, local, present));
            }
            Err(error) => rest.after(&shared, &error).await,
        }
    }
}

const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
enabled and no password is set for the default user. In this mode connections are only accepted \
from the loopback interface. If you want to connect from external computers to Redis you may adopt \
one of the following solutions: 1) Set a password with --requirepass. 2) Disable protected mode \
with --protected-mode no, if the server is not reachable from the internet.\r\n";

async fn welcome(
    shared: Arc<Shared>,
    stream: Stream,
    peer: Address,
    local: Address,
    present: mpsc::Sender<()>,
) {
    shared.counters.connections.fetch_add(1, Ordering::Relaxed);
    let Some(none_yet) = table().find(b"client") else {
        return;
    };
    let id = shared.clients.next_id();
    let is_refused = shared.live.refuses(&peer);
    let client = Arc::new(Client::new(id, peer, local, none_yet));
    let default = shared.users.default_user();
    let is_open = default.is_on && default.is_open;
    let live = &shared.live;
    let is_room = || {
        let (most, most_from_there) = (live.clients_max(), live.clients_per_address_max());
        shared.clients.add(&client, most, most_from_there)
    };
    let refusal = match is_open && is_refused {
        true => Some(PROTECTED),
        false => is_room().err().map(Crowd::words),
    };
    if let Some(words) = refusal {
        tracing::debug!(peer = %client.peer, "refused");
        shared
            .counters
            .refused_connections
            .fetch_add(1, Ordering::Relaxed);
        return connection::refuse(stream, words).await;
    }
    let listed = Listed::new(&shared, id);
    connection::serve(shared, client, stream, listed, present).await;
}
