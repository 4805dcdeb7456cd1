//! The clauses.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests, and each is named by its clause"
)]

use std::time::Duration;

use tokio::task::JoinSet;
use types::{ErrorKind, OwnerId};

use super::Fixture;
use crate::{Coordinator, Lease, Member};

/// Longer than any clause takes.
const TTL: Duration = Duration::from_secs(300);

/// How long "as soon as the backend can" may take.
const SOON: Duration = Duration::from_secs(10);

fn owner(number: u8) -> OwnerId {
    OwnerId::from_bytes([number; 16])
}

fn member(number: u8) -> Member {
    Member { id: owner(number), address: format!("host-{number}:3000") }
}

async fn acquire(coordinator: &dyn Coordinator, name: &str, number: u8) -> Option<Box<dyn Lease>> {
    coordinator.acquire(name, owner(number), TTL).await.unwrap()
}

/// Asks again until the answer is yes.
async fn soon(mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.unwrap();
}

pub async fn a_free_lease_is_acquired(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let lease = acquire(&*coordinator, "repair/0", 1).await.unwrap();
    lease.renew().await.unwrap();
    lease.release().await.unwrap();
}

pub async fn a_held_lease_is_refused_to_everyone(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let _held = acquire(&*mine, "repair", 1).await.unwrap();
    for coordinator in [&mine, &theirs] {
        for number in [1, 2] {
            assert!(acquire(&**coordinator, "repair", number).await.is_none());
        }
    }
}

pub async fn a_released_lease_is_free_at_once(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    for _ in 0..5 {
        acquire(&*mine, "repair", 1).await.unwrap().release().await.unwrap();
        acquire(&*theirs, "repair", 2).await.unwrap().release().await.unwrap();
    }
}

pub async fn a_dropped_lease_is_freed(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    drop(acquire(&*mine, "repair", 1).await.unwrap());
    soon(async || acquire(&*theirs, "repair", 2).await.is_some()).await;
}

pub async fn later_holders_have_larger_fences(fixture: &dyn Fixture) {
    let coordinators = [fixture.open().await, fixture.open().await];
    let mut last = 0;
    for coordinator in coordinators.iter().cycle().take(10) {
        let lease = acquire(&**coordinator, "repair", 1).await.unwrap();
        assert!(lease.fence() > last, "{} after {last}", lease.fence());
        last = lease.fence();
        lease.release().await.unwrap();
    }
}

pub async fn concurrent_acquires_have_one_winner(fixture: &dyn Fixture) {
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let coordinator = fixture.open().await;
            let name = format!("round-{round}");
            tasks.spawn(async move { acquire(&*coordinator, &name, number).await });
        }
        // All answers are kept to the end, or a lease would be free again for the next.
        let leases = tasks.join_all().await;
        assert_eq!(leases.iter().flatten().count(), 1);
    }
}

pub async fn a_renewed_lease_is_held_on(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let lease = acquire(&*mine, "repair", 1).await.unwrap();
    for _ in 0..3 {
        lease.renew().await.unwrap();
        assert!(acquire(&*theirs, "repair", 2).await.is_none());
    }
}

pub async fn leases_of_different_names_do_not_meet(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let (long, longer) = ("x".repeat(254), "x".repeat(255));
    let mut leases = Vec::new();
    for name in ["a", "a/b", "a.b", "a-b", "a_b", "a/", "/a", "/", "//", ".", "..", "../a", &long, &longer] {
        leases.push(acquire(&*coordinator, name, 1).await.unwrap());
        assert!(acquire(&*coordinator, name, 1).await.is_none());
    }
}

pub async fn bad_names_are_invalid(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    for name in ["", "A", "a b", "a+b", "a\n", "é", &"x".repeat(256)] {
        let errors = [
            coordinator.acquire(name, owner(1), TTL).await.err(),
            coordinator.join(name, member(1)).await.err(),
            coordinator.members(name).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().kind(), ErrorKind::Invalid, "{name:?}");
        }
    }
}

pub async fn a_member_is_seen_by_others(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let _joined = mine.join("encoders", member(1)).await.unwrap();
    for coordinator in [mine, theirs] {
        assert_eq!(coordinator.members("encoders").await.unwrap(), [member(1)]);
    }
}

pub async fn an_address_may_be_any_text(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    for address in ["", "[::1]:80", "\"quoted\"\n\\", "hôte", &"x".repeat(4000)] {
        let member = Member { id: owner(1), address: address.to_owned() };
        let joined = coordinator.join("encoders", member.clone()).await.unwrap();
        assert_eq!(coordinator.members("encoders").await.unwrap(), [member]);
        joined.leave().await.unwrap();
    }
}

pub async fn members_are_in_order_of_ids(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let mut joined = Vec::new();
    for number in [200, 7, 0, 255, 31] {
        joined.push(coordinator.join("encoders", member(number)).await.unwrap());
    }
    assert_eq!(coordinator.members("encoders").await.unwrap(), [0, 7, 31, 200, 255].map(member));
}

pub async fn a_member_that_left_is_gone(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let first = mine.join("encoders", member(1)).await.unwrap();
    let _second = mine.join("encoders", member(2)).await.unwrap();
    first.leave().await.unwrap();
    for coordinator in [mine, theirs] {
        assert_eq!(coordinator.members("encoders").await.unwrap(), [member(2)]);
    }
}

pub async fn a_dropped_membership_is_left(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    drop(mine.join("encoders", member(1)).await.unwrap());
    soon(async || theirs.members("encoders").await.unwrap().is_empty()).await;
}

pub async fn a_living_members_id_is_taken(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let _joined = mine.join("encoders", member(1)).await.unwrap();
    for coordinator in [&mine, &theirs] {
        let twin = Member { address: "elsewhere".to_owned(), ..member(1) };
        let error = coordinator.join("encoders", twin).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(theirs.members("encoders").await.unwrap(), [member(1)], "the first stands");
}

pub async fn a_members_id_may_be_used_again_after_leaving(fixture: &dyn Fixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    for coordinator in [&mine, &theirs, &mine] {
        let joined = coordinator.join("encoders", member(1)).await.unwrap();
        assert_eq!(theirs.members("encoders").await.unwrap(), [member(1)]);
        joined.leave().await.unwrap();
    }
}

pub async fn groups_do_not_meet(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let mut joined = Vec::new();
    let groups = ["a", "a/b", "a.b", "a/b/c", "/", "..", "."];
    for (number, group) in (0..).zip(groups) {
        joined.push(coordinator.join(group, member(number)).await.unwrap());
    }
    for (number, group) in (0..).zip(groups) {
        assert_eq!(coordinator.members(group).await.unwrap(), [member(number)], "{group}");
    }
}

pub async fn an_unknown_group_has_no_members(fixture: &dyn Fixture) {
    assert_eq!(fixture.open().await.members("nobody").await.unwrap(), []);
}

pub async fn a_lease_and_a_group_may_have_one_name(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let _lease = acquire(&*coordinator, "repair", 1).await.unwrap();
    let _joined = coordinator.join("repair", member(1)).await.unwrap();
    assert_eq!(coordinator.members("repair").await.unwrap(), [member(1)]);
}

/// While others come and go.
pub async fn a_living_member_is_never_left_out(fixture: &dyn Fixture) {
    let coordinator = fixture.open().await;
    let _joined = coordinator.join("encoders", member(100)).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..4 {
        let coordinator = fixture.open().await;
        tasks.spawn(async move {
            for _ in 0..25 {
                let joined = coordinator.join("encoders", member(number)).await.unwrap();
                let members = coordinator.members("encoders").await.unwrap();
                for living in [member(100), member(number)] {
                    assert!(members.contains(&living), "{living:?} not in {members:?}");
                }
                joined.leave().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(coordinator.members("encoders").await.unwrap(), [member(100)]);
}
