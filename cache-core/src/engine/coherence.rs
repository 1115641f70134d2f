//! What this process does about the invalidations of others, and about not hearing them.
//! Invariant: while the channel is lost, a copy in memory is served for `degraded_ttl` at most; once it is back, nothing
//! that was held meanwhile is served.

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::remove::Name;
use crate::config::duration::millis;
use crate::remote::redis::{Ears, Message};
use crate::remote::{News, Remote};

impl Core {
    /// Starts listening to other processes, unless that goes on already.
    pub(crate) fn listen(self: &Arc<Self>) {
        if let Some(Remote::Redis(redis)) = &self.remote {
            redis.channel.listen(redis.nodes(), Arc::downgrade(self));
        }
    }

    /// Waits until other processes are heard, if Redis is there at all.
    pub(crate) async fn until_heard(&self) {
        if let Some(Remote::Redis(redis)) = &self.remote
            && redis.nodes().is_up()
        {
            redis.channel.wait_until_heard(Duration::from_secs(1)).await;
        }
    }
}

impl Ears for Core {
    fn heard(&self, message: Option<Message>) {
        if let Some(Message {
            kind: News::LOADED,
            name,
            ..
        }) = &message
        {
            self.memory.call(name);
            return;
        }
        match message.and_then(|message| Name::of_news(message.kind, message.name)) {
            Some(name) => {
                self.forget(&name);
            }
            None => {
                self.forget(&Name::All);
            }
        }
    }

    fn lost(&self, since: Duration) {
        if !self.is_on() {
            return;
        }
        tracing::warn!(
            "the channel of invalidations is lost; copies in memory are held for a short time only"
        );
        // The end of a load of another process may be among what is missed, and the server may be gone.
        self.memory.call_all();
        let most = self.config.degraded_ttl;
        self.memory
            .shorten(millis(most), millis(most.saturating_sub(since)));
    }

    fn subscribed(&self) {
        self.generations.distrust();
        self.memory.drop_shared();
    }

    fn written(&self, key: Option<&[u8]>) {
        let Some(key) = key else {
            self.subscribed();
            return;
        };
        let key = key
            .strip_prefix(self.prefix.as_bytes())
            .and_then(|key| std::str::from_utf8(key).ok());
        match key {
            // Nonces of generations are written by processes that tell of it themselves, and by those that only ask.
            Some(key) if !key.starts_with('%') => self.memory.drop_copy(self.memory.hash(key), key),
            _ => {}
        }
    }

    fn missed(&self) {
        tracing::warn!("an invalidation of another process did not arrive; copies in memory are dropped");
        self.subscribed();
    }
}
