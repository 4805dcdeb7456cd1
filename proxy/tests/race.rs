//! Two proxies on one embedded archive: every name has one winner, whoever asks whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Barrier, Mutex};
use std::thread;

use serde_json::{Value, json};
use testkit::{Client, Documents, ProxyProcess, ProxySettings, Response};

const CLIENTS: usize = 8;

/// Lengths of the documents raced for: one byte, a tail, several segments.
const LENGTHS: [usize; 5] = [1, 5_000, 120_000, 1_048_577, 3_500_000];

/// A proxy on the archive in `folder`.
fn proxy_on(folder: &Path) -> ProxyProcess {
    ProxySettings::new(env!("CARGO_BIN_EXE_proxy"))
        .configure(json!({ "archive": { "directory": folder.join("data") } }))
        .start()
}

/// Proxies on the archive in `folder`, started in the same moment.
fn proxies_on<const COUNT: usize>(folder: &Path) -> [ProxyProcess; COUNT] {
    thread::scope(|scope| {
        let starting: [_; COUNT] = std::array::from_fn(|_| scope.spawn(|| proxy_on(folder)));
        starting.map(|starting| starting.join().expect("the proxy serves"))
    })
}

/// The identifier of the archive that a proxy said it served.
fn archive_of(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("\"listening\"")).expect("it serves");
    let line: Value = serde_json::from_str(line).unwrap();
    line.get("archive").and_then(Value::as_str).expect("the archive is named").to_owned()
}

/// What client `client` tries to put under name number `round`.
fn contribution(round: usize, client: usize) -> Vec<u8> {
    let length = LENGTHS.get(round % LENGTHS.len()).copied().unwrap() + client;
    Documents::new((round * CLIENTS + client) as u64).random(length)
}

/// Has all clients put under one name at once; returns their answers.
fn race(clients: &[Client], round: usize) -> Vec<Response> {
    let (path, start) = (format!("/race/{round}"), Barrier::new(clients.len()));
    thread::scope(|scope| {
        let put = |(number, client): (usize, &Client)| {
            let (path, start, client) = (&path, &start, client.clone());
            let body = contribution(round, number);
            scope.spawn(move || {
                start.wait();
                client.put(path, &body)
            })
        };
        let racing: Vec<_> = clients.iter().enumerate().map(put).collect();
        racing.into_iter().map(|each| each.join().unwrap()).collect()
    })
}

/// The number of the one client whose upload was taken. Everyone else is told why.
fn winner_of(round: usize, answers: &[Response]) -> usize {
    let winners: Vec<usize> =
        (0..).zip(answers).filter(|(_, answer)| answer.status == 201).map(|(n, _)| n).collect();
    let told: Vec<_> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
    let [winner] = winners[..] else { panic!("winners of round {round}: {winners:?} of {told:?}") };
    let etag = answers.get(winner).and_then(|answer| answer.header("etag")).unwrap().to_owned();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.status, 409, "round {round}: {told:?}");
        match answer.code().as_str() {
            "name_taken" => assert_eq!(answer.header("etag"), Some(etag.as_str()), "round {round}"),
            "upload_in_progress" => assert!(answer.header("retry-after").is_some(), "round {round}"),
            code => panic!("round {round}: {code}"),
        }
    }
    winner
}

#[test]
fn eight_clients_of_two_proxies_have_one_winner_for_each_name() {
    let folder = tempfile::tempdir().unwrap();
    let proxies = proxies_on::<2>(folder.path());
    let clients: Vec<Client> = (0..CLIENTS).map(|client| proxies[client % 2].client()).collect();
    for round in 0..30 {
        let winner = winner_of(round, &race(&clients, round));
        for proxy in &proxies {
            let got = proxy.client().get(&format!("/race/{round}"));
            assert_eq!(got.status, 200);
            assert!(got.body == contribution(round, winner), "round {round}: not the winner's bytes");
        }
    }
    let [first, second] = proxies.each_ref().map(|proxy| proxy.client().get("/").text());
    assert_eq!(first, second, "the proxies list different documents");
    assert_eq!(first.matches("\"path\"").count(), 30);
}

#[test]
fn clients_that_try_again_all_end_with_the_winners_document() {
    let folder = tempfile::tempdir().unwrap();
    let proxies = proxies_on::<2>(folder.path());
    let seen = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (client, seen) = (proxies[number % 2].client(), &seen);
            scope.spawn(move || {
                let body = contribution(4, number);
                let told = std::iter::repeat_with(|| client.put("/again", &body))
                    .find(|answer| answer.status == 201 || answer.code() == "name_taken");
                let etag = told.unwrap().header("etag").unwrap().to_owned();
                let got = client.get("/again");
                seen.lock().unwrap().push((etag, got.header("etag").unwrap().to_owned(), got.body));
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    let [first, rest @ ..] = &seen[..] else { panic!("nobody was told") };
    assert_eq!(rest.len(), CLIENTS - 1);
    assert!(rest.iter().all(|each| each == first), "clients were told of different documents");
    assert_eq!(first.0, first.1);
}

#[test]
fn proxies_that_start_together_on_an_empty_folder_make_one_archive() {
    for round in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let mut proxies = proxies_on::<4>(folder.path());
        let body = contribution(round, 0);
        for (number, proxy) in proxies.iter().enumerate() {
            let ready = proxy.client().get("/-/ready");
            assert_eq!(ready.status, 200, "round {round}: {}", ready.text());
            let path = format!("/from/{number}");
            assert_eq!(proxy.client().put(&path, &body).status, 201, "round {round}");
            for reader in &proxies {
                assert!(reader.client().get(&path).body == body, "round {round}");
            }
        }
        let ended = proxies.each_mut().map(ProxyProcess::terminate);
        let archives: BTreeSet<String> = ended.iter().map(|exit| archive_of(&exit.log)).collect();
        assert_eq!(archives.len(), 1, "round {round}: {archives:?}");
        for exit in &ended {
            assert_eq!(exit.code, Some(0), "round {round}: {}", exit.log);
            for bad in ["ERROR", "not attached"] {
                assert!(!exit.log.contains(bad), "round {round}: {}", exit.log);
            }
        }
    }
}
