//! What must hold however two requests meet.

use cloakroom::{Record, value};

use crate::paused::Done;
use crate::world::{First, Op, When, World, key_of};

/// The promises that are broken in the end.
pub fn judge(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    statuses(world, &mut broken);
    logouts(world, &mut broken);
    logins(world, &mut broken);
    changes(world, &mut broken);
    reauthentications(world, &mut broken);
    administrators(world, &mut broken);
    foreign_data(world, &mut broken);
    broken
}

fn owner_of(record: &Record) -> Option<&str> {
    record.owner().and_then(|owner| owner.as_str())
}

fn text(record: &Record, name: &str) -> Option<String> {
    value::to_json(record.data().get(name)?).ok()?.as_str().map(str::to_owned)
}

impl World {
    /// The session that the browser's cookies open.
    fn mine(&self) -> Option<&Record> {
        self.jar.iter().find_map(|key| self.session(key))
    }

    fn has(&self, is_it: impl Fn(Op) -> bool) -> bool {
        self.ops.into_iter().any(is_it)
    }

    fn owner_at_first(&self) -> Option<&'static str> {
        matches!(self.first, First::A | First::AAndA | First::AnonAndA).then_some("A")
    }

    /// How many users there are.
    fn owners(&self) -> usize {
        let mut owners: Vec<_> = self.ops.iter().filter_map(|op| op.logs_in()).chain(self.owner_at_first()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.len()
    }

    fn ends_all(&self) -> bool {
        self.has(|op| matches!(op, Op::EndAll | Op::EndAllAndLoginA))
    }

    /// The two requests of the visitor have no id in common that was ever live.
    fn are_strangers(&self) -> bool {
        matches!(self.first, First::Blank | First::DeadId)
    }

    /// The session that the answer's cookie names, and when it began.
    fn set_by(&self, request: usize) -> Option<(&Record, usize)> {
        let key = key_of(self.answers[request].cookie.as_ref()?.as_ref()?);
        Some((self.session(&key)?, self.begun(&key)))
    }

    /// When a logout began to end anything.
    fn ending(&self, request: usize) -> usize {
        let is_end = |done: &Done| matches!(done, Done::Ending | Done::Begun { .. });
        self.when(request, is_end).next().unwrap_or_else(|| self.answered(request))
    }
}

/// In no order is a request refused that has lost nothing: only what is put in, and a reauthentication, can be lost, and only to a
/// request that gives the session another id or ends it. Of sessions of different owners nothing is shown, and nothing set.
fn statuses(world: &World, broken: &mut Vec<String>) {
    for me in 0..2 {
        let (op, other, answer) = (world.ops[me], world.ops[1 - me], &world.answers[me]);
        let is_merged = matches!(other, Op::Look | Op::Put | Op::Modify | Op::UpdateOwned);
        let may_be_locked = !op.is_login() && !op.is_logout() && !op.is_administrators();
        let is_locked = may_be_locked && world.first == First::AnonAndA;
        let is_right = match answer.status {
            200 => !is_locked || !is_merged && !other.is_rotation(),
            403 => is_locked && answer.cookie.is_none(),
            409 => matches!(op, Op::Put | Op::Modify | Op::Reauthenticate) && !is_merged && answer.cookie.is_none(),
            _ => false,
        };
        if !is_right {
            broken.push(format!("{op:?} was answered with {}", answer.status));
        }
    }
}

/// In no order does anybody stay logged in after a logout.
fn logouts(world: &World, broken: &mut Vec<String>) {
    // A logout that is older than another user's login, or than the login after an end of all, passes it by.
    let is_alone = world.ops.iter().filter(|op| op.is_logout()).count() == 1 && world.owners() < 2 && !world.ends_all();
    for me in (0..2).filter(|me| world.ops[*me].is_logout()) {
        let answer = &world.answers[me];
        let mine = world.mine();
        // Also nobody's: what an anonymous visitor has put in goes with the logout.
        let is_left = |record: &Record| record.owner().is_none() && world.is_from_before(record.key());
        if answer.cookie.is_some() && world.live.iter().any(is_left) {
            broken.push("logged out, and the anonymous session lives".to_owned());
        }
        match &answer.owner {
            Some(owner) if answer.cookie.is_some() => {
                let before = |record: &&Record| world.begun(record.key()) < world.ending(me);
                let of_owner = world.live.iter().filter(|record| owner_of(record) == Some(owner));
                // The login after an end of all leaves no way to what it began.
                if of_owner.filter(before).count() > 0 && !world.ends_all() {
                    broken.push("logged out, and a session from before lives".to_owned());
                }
            }
            Some(owner) => {
                if is_alone && mine.is_some_and(|mine| owner_of(mine) == Some(owner)) {
                    broken.push("a logout without effect".to_owned());
                }
            }
            None => {
                // A login that commits after the logout passes it by.
                let is_before = |mine: &Record| world.begun(mine.key()) < world.ending(me);
                let mine = mine.filter(|mine| is_before(mine));
                let is_in = world.owner_at_first().is_some() && mine.and_then(owner_of) == world.owner_at_first();
                if is_alone && is_in && answer.cookie.is_none() {
                    broken.push("a logout with an old id, without effect".to_owned());
                }
            }
        }
    }
}

/// In no order is a login refused, or its cookie lost to an older request.
fn logins(world: &World, broken: &mut Vec<String>) {
    let logins: Vec<usize> = (0..2).filter(|me| world.ops[*me].is_login()).collect();
    for &me in &logins {
        let answer = &world.answers[me];
        if answer.status != 200 || !matches!(answer.cookie, Some(Some(_))) {
            broken.push(format!("a login came to nothing: {}", answer.status));
        }
    }
    let is_ended = world.has(|op| op.is_logout() || op == Op::EndAll);
    let mine = world.mine();
    let is_in = logins.iter().any(|me| mine.is_some() && mine.and_then(owner_of) == world.ops[*me].logs_in());
    if !logins.is_empty() && !is_ended && !is_in {
        let culprit = (0..2).find(|me| {
            let set = world.answers[*me].cookie.as_ref().and_then(Option::as_ref);
            set.is_some_and(|set| world.jar.last() == Some(&key_of(set)))
        });
        // Answers that overtake each other: what was committed before the login is answered after it.
        let is_overtaken = culprit.is_some_and(|culprit| {
            let is_older = |me: &usize| world.set_by(*me).is_none_or(|(_, begun)| begun > world.ending(culprit));
            logins.iter().all(is_older)
        });
        // Beside an end of all, which leaves no trace, a write that looked before the login.
        let is_beside_end = culprit.is_some_and(|culprit| world.answers[culprit].owner.is_none()) && world.ends_all();
        let is_two_logins_after_an_end = world.ends_all() && logins.len() == 2;
        if !is_overtaken && !is_beside_end && !world.are_strangers() && !is_two_logins_after_an_end {
            broken.push(format!("logged in, and the browser is not; by {culprit:?}"));
        }
    }
    for &me in &logins {
        let Some((session, begun)) = world.set_by(me) else { continue };
        let other = 1 - me;
        let is_late = begun < world.ending(other) && world.sent_after != Some(other);
        let takes = world.last == other && world.answers[other].cookie.is_some() && !world.ops[other].is_login();
        if takes && is_late && !world.jar.contains(session.key()) && !world.are_strangers() && !world.ends_all() {
            broken.push("what committed after a login takes its cookie away".to_owned());
        }
    }
}

/// In no order is a change lost in silence, made twice, or an error though it was kept.
fn changes(world: &World, broken: &mut Vec<String>) {
    let count = |record: &Record, me: usize| {
        let counted = record.data().get(&format!("modify {me}")).and_then(|bytes| value::to_json(bytes).ok());
        counted.and_then(|counted| counted.as_u64()).unwrap_or(0)
    };
    if world.live.iter().any(|record| (0..2).any(|me| count(record, me) > 1)) {
        broken.push("a modification was made twice".to_owned());
    }
    if world.has(|op| op.is_logout() || op == Op::EndAll) || world.ends_all() || world.owners() > 1 {
        return;
    }
    let mine = world.mine();
    let logins = world.ops.iter().filter(|op| op.is_login()).count();
    let rotates = world.has(Op::is_rotation);
    let is_beside = mine.is_some_and(|mine| {
        world.live.iter().filter(|record| record.owner() == mine.owner()).count() > 1 && (rotates || logins > 1)
    });
    // Of sessions of different owners nobody can say whose they are, so a login has nothing of them.
    let has_nothing = world.first == First::AnonAndA && logins > 0;
    let is_anonymous_rotation = world.first == First::Anonymous && rotates && logins > 0;
    // Of several sessions the browser's last answer may name another; a renewal may take a newer cookie away.
    let is_overtaken = world.when != When::Soon && world.is_overtaken();
    if world.are_strangers() || is_beside || is_anonymous_rotation || is_overtaken || has_nothing {
        return;
    }
    for me in 0..2 {
        let name = match world.ops[me] {
            Op::Put => format!("put {me}"),
            Op::Modify => format!("modify {me}"),
            _ => continue,
        };
        let is_kept = mine.is_some_and(|mine| mine.data().get(&name).is_some());
        match world.answers[me].status {
            200 if !is_kept => broken.push("a change that was answered with 200 is lost".to_owned()),
            409 if is_kept => broken.push("409, and nothing was lost".to_owned()),
            _ => {}
        }
    }
    if mine.is_none_or(|mine| text(mine, "cart").is_none()) {
        broken.push("the cart is lost".to_owned());
    }
}

/// In no order is a reauthentication answered as if it were done that is not, or an error though the session is authenticated anew.
fn reauthentications(world: &World, broken: &mut Vec<String>) {
    let is_overtaken = world.when != When::Soon && world.is_overtaken();
    if world.has(|op| op.is_login() || op.is_logout()) || world.ends_all() || is_overtaken {
        return;
    }
    for me in (0..2).filter(|me| world.ops[*me] == Op::Reauthenticate && world.answers[*me].owner.is_some()) {
        let is_anew = world.mine().is_some_and(|mine| mine.authenticated_at() == Some(world.when.time()));
        match world.answers[me].status {
            200 if !is_anew => broken.push("a reauthentication that was answered with 200 is lost".to_owned()),
            409 if is_anew => broken.push("409, and the session is reauthenticated".to_owned()),
            _ => {}
        }
    }
}

/// What an administrator ends has ended, and what they change reaches all.
fn administrators(world: &World, broken: &mut Vec<String>) {
    for me in 0..2 {
        let of_a = world.live.iter().filter(|record| owner_of(record) == Some("A"));
        match world.ops[me] {
            Op::EndAll => {
                let end = world.answered(me);
                if of_a.filter(|record| world.begun(record.key()) < end).count() > 0 {
                    broken.push("all were ended, and a session from before lives".to_owned());
                }
            }
            Op::UpdateOwned => {
                let listed = world.when(me, |done| matches!(done, Done::Listed)).next_back().unwrap_or(0);
                let has_none = |record: &&Record| text(record, "role").is_none();
                if of_a.filter(|record| world.begun(record.key()) < listed).filter(has_none).count() > 0 {
                    broken.push("a changed role has missed a session".to_owned());
                }
            }
            _ => {}
        }
    }
}

/// In no order does anybody get another's data.
fn foreign_data(world: &World, broken: &mut Vec<String>) {
    for record in &world.live {
        let names = ["cart", "put 0", "put 1"];
        let values = names.iter().filter_map(|name| text(record, name));
        let is_foreign = |value: &String| value != "-" && Some(value.as_str()) != owner_of(record);
        if values.filter(is_foreign).count() > 0 || owner_of(record) != Some("A") && text(record, "role").is_some() {
            broken.push("a session has another user's data".to_owned());
        }
    }
}
