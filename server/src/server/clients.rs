//! Who is connected, and how many may be.

use super::Shared;
use crate::listen::network;
use crate::session::Client;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clients that are connected.
#[derive(Default)]
pub(crate) struct Clients {
    present: Mutex<Present>,
    last_id: AtomicU64,
}

#[derive(Default)]
struct Present {
    by_id: HashMap<u64, Arc<Client>>,
    /// How many of them come from each network; none has 0.
    by_network: HashMap<IpAddr, usize>,
}

impl Present {
    fn enter(&mut self, ip: IpAddr, most: usize) -> bool {
        let from_there = self.by_network.entry(network(ip)).or_default();
        let is_room = *from_there < most;
        *from_there += usize::from(is_room);
        is_room
    }

    fn leave(&mut self, ip: IpAddr) {
        let network = network(ip);
        if let Some(from_there) = self.by_network.get_mut(&network) {
            *from_there -= 1;
            if *from_there == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}

/// Why a client is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// There are as many as there may be.
    InAll,
    /// There are as many as there may be from its address.
    FromThere,
}

impl Crowd {
    pub(super) fn words(self) -> &'static [u8] {
        match self {
            Self::InAll => b"-ERR max number of clients reached\r\n",
            Self::FromThere => b"-ERR max number of clients from this address reached\r\n",
        }
    }
}

impl Clients {
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.present().by_id.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.present().by_id.len()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a client, unless there are as many as may be.
    pub(super) fn add(
        &self,
        client: &Arc<Client>,
        most: usize,
        most_from_there: usize,
    ) -> Result<(), Crowd> {
        let mut present = self.present();
        if present.by_id.len() >= most {
            return Err(Crowd::InAll);
        }
        if let Some(ip) = client.peer.ip()
            && !present.enter(ip, most_from_there)
        {
            return Err(Crowd::FromThere);
        }
        present.by_id.insert(client.id, Arc::clone(client));
        Ok(())
    }

    fn remove(&self, id: u64) {
        let mut present = self.present();
        let Some(client) = present.by_id.remove(&id) else {
            return;
        };
        if let Some(ip) = client.peer.ip() {
            present.leave(ip);
        }
    }

    /// Counts a connection of another door among those from its address. Returns false if there are as many as may be.
    #[cfg(feature = "grpc")]
    pub(crate) fn enter(&self, ip: IpAddr, most: usize) -> bool {
        self.present().enter(ip, most)
    }

    /// A connection that was counted so is closed.
    #[cfg(feature = "grpc")]
    pub(crate) fn leave(&self, ip: IpAddr) {
        self.present().leave(ip);
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        // Nothing that is done under this lock can panic half-way.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the client out of the list, also after a panic.
pub(crate) struct Listed {
    shared: Arc<Shared>,
    id: u64,
}

impl Listed {
    pub(super) fn new(shared: &Arc<Shared>, id: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            id,
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.clients.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::{Clients, Crowd};
    use crate::commands::table;
    use crate::listen::Address;
    use crate::session::Client;
    use std::path::Path;
    use std::sync::Arc;

    fn add(clients: &Clients, peer: Address) -> Result<u64, Crowd> {
        let first = table().find(b"client").unwrap();
        let client = Client::new(clients.next_id(), peer.clone(), peer, first);
        let client = Arc::new(client);
        clients.add(&client, 6, 2).map(|()| client.id)
    }

    fn from(ip: &str) -> Address {
        Address::Ip((ip.parse::<std::net::IpAddr>().unwrap(), 1).into())
    }

    #[test]
    fn an_address_that_has_all_its_connections_gets_another_when_it_closes_one() {
        let clients = Clients::default();
        let first = add(&clients, from("10.0.0.1")).unwrap();
        add(&clients, from("::ffff:10.0.0.1")).unwrap();
        let refused = Err(Crowd::FromThere);
        assert_eq!(add(&clients, from("10.0.0.1")), refused);
        add(&clients, from("10.0.0.2")).unwrap();
        // A network of IPv6 is one address.
        add(&clients, from("2001:db8::1")).unwrap();
        add(&clients, from("2001:db8::2")).unwrap();
        assert_eq!(add(&clients, from("2001:db8::3")), refused);
        clients.remove(first);
        clients.remove(first);
        add(&clients, from("10.0.0.1")).unwrap();
        assert_eq!(add(&clients, from("10.0.0.1")), refused);
        // A socket of this machine has no address; it counts in all.
        let local = Address::Local(Path::new("s").into());
        add(&clients, local.clone()).unwrap();
        assert_eq!(add(&clients, local), Err(Crowd::InAll));
    }

    #[test]
    fn an_address_that_is_gone_is_forgotten() {
        let clients = Clients::default();
        let id = add(&clients, from("10.0.0.1")).unwrap();
        clients.remove(id);
        let present = clients.present();
        assert!(present.by_network.is_empty() && present.by_id.is_empty());
    }
}
