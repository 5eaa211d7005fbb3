//! Who may ask, over real sockets: keys, rights, quotas, what is told to those who may not, and
//! what becomes of a key that is taken back.
//!
//! ```text
//! rig      a gateway with a keys file before a simulated exchange
//! doors    which door opens with which key, and what is said at a closed one
//! quotas   how often, and what is told of it
//! reload   keys come and go while the gateway runs
//! program  the built program: `check`, `serve`, `key`, `candles`, and what it writes to its log
//! ```

mod doors;
mod program;
mod quotas;
mod reload;
mod rig;
