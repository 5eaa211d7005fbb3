//! What somebody may do.

/// One of the things that somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Ask for market data.
    Read,
    /// Follow streams.
    Stream,
    /// See metrics and the state of the gateway.
    Ops,
    /// Change what the gateway does.
    Admin,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Read, Self::Stream, Self::Ops, Self::Admin];

    /// Its name in a keys file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Stream => "stream",
            Self::Ops => "ops",
            Self::Admin => "admin",
        }
    }
}

/// All that somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the rights")]
pub struct Rights {
    pub read: bool,
    pub stream: bool,
    pub ops: bool,
    pub admin: bool,
}

impl Rights {
    /// Those of a client whose entry names none.
    pub const CLIENT: Self = Self { read: true, stream: true, ops: false, admin: false };
    /// Those of somebody without a key, where none is needed: everything but changes.
    pub const ANYONE: Self = Self { read: true, stream: true, ops: true, admin: false };

    /// True if this one is among them.
    pub const fn has(self, right: Right) -> bool {
        match right {
            Right::Read => self.read,
            Right::Stream => self.stream,
            Right::Ops => self.ops,
            Right::Admin => self.admin,
        }
    }

    /// The same and this one.
    #[must_use]
    pub const fn and(mut self, right: Right) -> Self {
        match right {
            Right::Read => self.read = true,
            Right::Stream => self.stream = true,
            Right::Ops => self.ops = true,
            Right::Admin => self.admin = true,
        }
        self
    }
}
