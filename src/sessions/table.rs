//! What a commit does, by what stands where the session was and by what the request wants: the one place that decides.
//!
//! Nothing here calls a store. What each plan is, its executor says: [`live`](super::live) for a session that lives,
//! [`begin`](super::begin) for a new one, [`follow`](super::follow) for changes that come after a rotation, and
//! [`traced`](super::traced) for endings.

/// What stands under the key of the session, at the time of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// The session that the request opened, as far as anything is known.
    Live,
    /// The trace of a rotation, or of a login as the same user.
    Moved,
    /// The trace of a login as another user, or of a session that began in the place of this one.
    Replaced,
    /// The trace of an end; or nothing, where the request had opened a session.
    Over,
    /// Nothing, where the request had opened nothing.
    Blank,
}

/// What the request wants. The strongest of its wishes counts, and carries the others along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Changes,
    Rotation,
    /// A rotation by a user who has authenticated again. Unlike a rotation alone it can be lost.
    Reauthentication,
    Login,
    /// An end: of the session, or of whatever the id that came leads to.
    End,
    /// An end, and a new session with what was put in after it.
    EndAndPut,
    EndAndLogin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: the response goes out as it is.
    Leave,
    /// Notes that the session was seen.
    KeepAlive,
    /// Stores the changes, merged with those of other requests.
    Merge,
    /// Stores the session, with its changes, under a new id.
    Rotate,
    /// Ends the session, and all of its owner and handle.
    End,
    /// Puts a new session in the place of this one, in one step, and ends all of its owner and handle.
    Exchange,
    /// Applies the changes to what the session has moved to.
    Follow,
    /// Names what could not be kept.
    Lose,
    /// Begins a session with what was put in.
    Begin,
    /// Begins the session of a login, beside what the traces lead to.
    LogIn,
    /// Ends what the traces lead to.
    EndTraced,
    /// Ends what the traces lead to, and begins a session unless another user's login took the place.
    EndTracedAndBegin,
    /// Ends what the traces lead to, and begins the session of a login.
    EndTracedAndLogIn,
}

/// `opened`: whether the request had opened the live session.
pub(super) const fn plan(stands: Stands, opened: bool, wants: Wants) -> Plan {
    match (stands, wants) {
        (Stands::Live, Wants::Nothing) => Plan::KeepAlive,
        (Stands::Live, Wants::Changes) => Plan::Merge,
        (Stands::Live, Wants::Rotation | Wants::Reauthentication | Wants::Login) => Plan::Rotate,
        (Stands::Live, Wants::End) => Plan::End,
        (Stands::Live, Wants::EndAndPut | Wants::EndAndLogin) => Plan::Exchange,
        (_, Wants::Nothing) => Plan::Leave,
        (Stands::Blank, Wants::Changes | Wants::Rotation) => Plan::Begin,
        (Stands::Moved, Wants::Changes | Wants::Rotation | Wants::Reauthentication) if opened => Plan::Follow,
        (_, Wants::Changes | Wants::Rotation | Wants::Reauthentication) => Plan::Lose,
        (_, Wants::Login) => Plan::LogIn,
        (_, Wants::End) => Plan::EndTraced,
        (_, Wants::EndAndPut) => Plan::EndTracedAndBegin,
        (_, Wants::EndAndLogin) => Plan::EndTracedAndLogIn,
    }
}
