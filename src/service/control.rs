//! What operators may do to an exchange and what is held of it.

use super::Desk;

impl Desk {
    /// Keeps the exchange from being called and connected to, or lets both happen again. What is
    /// held is served as its policy allows.
    pub fn cordon(&self, cordoned: bool) {
        self.shelf.upstream.cordon(cordoned);
        self.live.feed().cordon(cordoned);
        if !cordoned {
            // Nobody is to be told of the cordon any more.
            let name = self.shelf.name();
            self.shelf.cache.forgive(|key| key.exchange == name);
        }
    }

    /// Drops what is held under a name as [`Product`](super::Product) displays it, and a failure
    /// that is remembered of it; false if there was neither. The next read asks the exchange,
    /// unless it is being asked already; a live channel brings its own by itself. Those who follow
    /// a stream notice nothing.
    pub fn clear(&self, product: &str) -> bool {
        let name = self.shelf.name();
        self.shelf.cache.clear(|key| key.exchange == name && key.product.to_string() == product)
    }
}
