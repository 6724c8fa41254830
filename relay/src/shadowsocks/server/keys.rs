//! Who may use the server, by which key.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mptcpize_model::relay::key::Method;
use mptcpize_model::relay::server::{Settings, UserLimits};
use shadowsocks::config::{ServerUser, ServerUserManager};
use shadowsocks::context::SharedContext;
use shadowsocks::relay::tcprelay::ProxyServerStream;

use super::account::Account;
use crate::gateway::socket::Socket;
use crate::shadowsocks::protocol::{cipher, fixed_request};
use crate::shadowsocks::wire::Wire;

/// The keys of the settings as they are now.
pub struct Keys {
    method: Method,
    key: Vec<u8>,
    users: Option<Arc<ServerUserManager>>,
    /// By key; where there are no users, one by the server's own.
    accounts: HashMap<Vec<u8>, Arc<Account>>,
}

impl fmt::Debug for Keys {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Keys {
    /// Those of the settings. Who was there before goes on with what it carried.
    pub fn new(settings: &Settings, before: Option<&Keys>) -> Self {
        let old = |name: &str| {
            let mut old = before.into_iter().flat_map(|before| before.accounts.values());
            old.find(|account| account.name == name).cloned()
        };
        let account = |name: &str, limits| match old(name) {
            Some(account) => {
                account.limit(limits);
                account
            }
            None => Arc::new(Account::new(name.to_owned(), limits)),
        };
        let mut accounts = HashMap::new();
        let mut manager = ServerUserManager::new();
        for user in &settings.users {
            let name = user.name.as_str();
            manager.add_user(ServerUser::new(name, user.key.bytes().to_vec()));
            accounts.insert(user.key.bytes().to_vec(), account(name, user.limits));
        }
        let key = settings.key.bytes().to_vec();
        if settings.users.is_empty() {
            accounts.insert(key.clone(), account("", UserLimits::default()));
        }
        let users = (!settings.users.is_empty()).then(|| Arc::new(manager));
        Keys { method: settings.method, key, users, accounts }
    }

    /// Ends the connections of those whose key is not in force any more.
    pub fn end_others(&self, before: &Keys) {
        for (key, account) in &before.accounts {
            if !self.accounts.contains_key(key) {
                account.end();
            }
        }
    }

    /// The stream of a client, which has authenticated nobody yet.
    pub fn stream(&self, context: &SharedContext, socket: Arc<Socket>) -> ProxyServerStream<Wire> {
        let first = fixed_request(self.method, self.users.is_some());
        ProxyServerStream::from_stream_with_user_manager(
            Arc::clone(context),
            Wire::new(socket, first),
            cipher(self.method),
            &self.key,
            self.users.clone(),
        )
    }

    /// Whose key it is that authenticated a stream; the server's own where the stream names none.
    pub fn account(&self, key: Option<&[u8]>) -> Option<&Arc<Account>> {
        self.accounts.get(key.unwrap_or(&self.key))
    }

    /// All who may use it.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }
}
