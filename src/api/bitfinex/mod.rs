//! Drop-in routes for Bitfinex's own clients.
