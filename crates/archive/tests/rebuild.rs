//! The metadata made again from the blocks alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests are tests")]

use std::path::Path;
use std::sync::Arc;

use archive::rebuild::{
    Finding, RebuildReport, ScanOptions, UNKNOWN_HASH, VerifyReport, discover, export, rebuild_metadata,
    verify_metadata,
};
use archive::{Archive, NodeParts, Parts, PutRequest, Settings};
use bytes::Bytes;
use code::BlockHeader;
use coordination::LocalCoordinator;
use futures_util::{TryStreamExt, stream};
use metadata::{CreateArchive, MemoryMetadata, MetadataStore, SqliteMetadata};
use storage::{Block, BlockStore, BufferPool, DirectoryStore};
use testkit::cluster::{Cluster, ClusterOptions, bytes, get, put};
use types::{
    ArchiveId, BlockId, DocumentId, DocumentName, ErrorKind, NodeIndex, NodeName, SystemClock, Timestamp,
};

type Store = Arc<dyn MetadataStore>;

const LENGTHS: [usize; 12] = [1, 900, 70_000, 16_384, 40_000, 5, 1_300_000, 200, 17_000, 3000, 150_000, 64];

fn name(text: &str) -> DocumentName {
    DocumentName::new(text).unwrap()
}

/// Documents of one segment, of several and of more than are staged at once, with everything that a client can add.
async fn fill(archive: &Archive) {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let request = PutRequest {
            name: name(&format!("papers/{number} \u{e4}\"")),
            length: None,
            content_type: (number % 2 == 0).then(|| "text/plain".to_owned()),
            user_metadata: (0..number % 3).map(|n| (format!("x-{n}"), format!("value {number}"))).collect(),
        };
        let body = Bytes::from(bytes(number as u64, length));
        archive.put(request, stream::iter([Ok(body)])).await.unwrap();
    }
    for number in 0..20 {
        put(archive, &format!("small/{number}"), &bytes(number, 300)).await.unwrap();
    }
}

async fn filled(options: ClusterOptions) -> Cluster {
    let cluster = Cluster::new(options).await;
    fill(&cluster.archive).await;
    cluster
}

/// The nodes as another process would open them.
fn nodes_of(cluster: &Cluster) -> Vec<NodeParts> {
    let part = |node: &testkit::cluster::ClusterNode| NodeParts {
        name: node.name.clone(),
        zone: None,
        store: Arc::new(node.store.reopened()),
    };
    cluster.nodes.iter().map(part).collect()
}

fn create(id: ArchiveId) -> CreateArchive {
    CreateArchive { id, partitions: 3, now: Timestamp::from_millis(1_795_300_000_000) }
}

async fn rebuilt_with(cluster: &Cluster, options: &ScanOptions) -> (Store, RebuildReport) {
    let nodes = nodes_of(cluster);
    let id = discover(&nodes).await.unwrap().archive;
    let metadata: Store = Arc::new(MemoryMetadata::new(create(id)));
    let report = rebuild_metadata(&nodes, Arc::clone(&metadata), options, &|_| {}).await.unwrap();
    (metadata, report)
}

async fn rebuilt(cluster: &Cluster) -> (Store, RebuildReport) {
    rebuilt_with(cluster, &ScanOptions::default()).await
}

async fn lines(metadata: &Store) -> Vec<String> {
    export(Arc::clone(metadata)).try_collect().await.unwrap()
}

async fn lines_of(cluster: &Cluster) -> Vec<String> {
    lines(&(Arc::new(cluster.metadata.clone()) as Store)).await
}

fn assert_same(before: &[String], after: &[String]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

async fn verified(cluster: &Cluster, metadata: &Store, deep: bool) -> VerifyReport {
    let options = ScanOptions { deep, ..ScanOptions::default() };
    verify_metadata(&nodes_of(cluster), Arc::clone(metadata), &options, &|_| {}).await.unwrap()
}

/// An archive on these nodes and this metadata, as after a restart.
async fn open(nodes: Vec<NodeParts>, metadata: Store, settings: Settings) -> Archive {
    let parts = Parts {
        nodes,
        metadata,
        coordinator: Arc::new(LocalCoordinator::new()),
        clock: Arc::new(SystemClock),
        pool: BufferPool::new(0),
        address: String::new(),
        seed: Some(7),
    };
    Archive::open(settings, parts).await.unwrap()
}

async fn assert_reads_back(archive: &Archive) {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let read = get(archive, &format!("papers/{number} \u{e4}\"")).await.unwrap();
        assert!(read == bytes(number as u64, length), "document {number}");
    }
}

async fn document_id(cluster: &Cluster, text: &str) -> DocumentId {
    cluster.metadata.document(&name(text)).await.unwrap().unwrap().record.id
}

/// Copies a document's blocks under another identifier, as `change` says of each header; `false` leaves one out.
async fn forge(
    cluster: &Cluster,
    from: DocumentId,
    id: DocumentId,
    change: impl Fn(&mut BlockHeader) -> bool,
) {
    for node in &cluster.nodes {
        for stat in node.store.list_document(&from).await.unwrap() {
            let bytes = node.store.get(&stat.id, 1 << 20).await.unwrap();
            let (mut header, payload) = BlockHeader::decode(&bytes).unwrap();
            header.id.document = id;
            if change(&mut header) {
                let payload = bytes.slice_ref(payload);
                let block = Block { header: header.encode().unwrap().into(), payload };
                node.store.put(&header.id, &block).await.unwrap();
            }
        }
    }
}

async fn delete(cluster: &Cluster, which: impl Fn(&BlockId) -> bool) -> usize {
    let mut deleted = 0;
    for node in &cluster.nodes {
        for stat in node.store.list(None, usize::MAX).await.unwrap() {
            if which(&stat.id) {
                node.store.delete(&stat.id).await.unwrap();
                deleted += 1;
            }
        }
    }
    deleted
}

fn later(id: DocumentId, by: u8) -> DocumentId {
    let mut bytes = *id.as_bytes();
    bytes[15] = bytes[15].wrapping_add(1);
    bytes[0] += by;
    DocumentId::from_bytes(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilt_metadata_exports_as_before() {
    for (copies, deep) in [(1, false), (2, true)] {
        let cluster = filled(ClusterOptions::default().copies(copies, copies)).await;
        let options = ScanOptions { deep, ..ScanOptions::default() };
        let (metadata, report) = rebuilt_with(&cluster, &options).await;
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!((report.documents, report.incomplete, report.recomputed), (32, 0, 0));
        assert_same(&lines_of(&cluster).await, &lines(&metadata).await);
        let archive =
            open(nodes_of(&cluster), Arc::clone(&metadata), ClusterOptions::default().settings).await;
        assert_reads_back(&archive).await;
        put(&archive, "after", b"the archive goes on").await.unwrap();
        assert!(verified(&cluster, &metadata, deep).await.findings.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilt_reverse_index_is_the_same() {
    let cluster = filled(ClusterOptions::default()).await;
    let (metadata, _) = rebuilt(&cluster).await;
    let mut pointed = 0;
    for document in cluster.metadata.scan_ids(None, usize::MAX).await.unwrap() {
        let again = metadata.document_by_id(&document.record.id).await.unwrap().unwrap();
        assert_eq!(again.record.created, document.record.created);
        let names = async |store: &dyn MetadataStore, reference| {
            let codeword = types::CodewordRef { document: reference, segment: 0 };
            let block = types::BlockRef { codeword, parity: 0 };
            let by = store.pointing_at(block, None, usize::MAX).await.unwrap();
            let mut found = Vec::new();
            for codeword in store.codewords(&by).await.unwrap().into_iter().flatten() {
                found.push((codeword.name, codeword.reference.segment));
            }
            found.sort();
            found
        };
        let before = names(&cluster.metadata, document.reference).await;
        pointed += before.len();
        assert_eq!(before, names(&*metadata, again.reference).await);
    }
    assert!(pointed > 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_parities_hashes_are_computed() {
    let cluster = filled(ClusterOptions::default()).await;
    let before = lines_of(&cluster).await;
    let emptied = cluster.nodes[3].clone();
    let mut lost = 0;
    for stat in emptied.store.list(None, usize::MAX).await.unwrap() {
        emptied.store.delete(&stat.id).await.unwrap();
        lost += 1;
    }
    let (metadata, report) = rebuilt(&cluster).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.recomputed, lost);
    assert!(lost > 3, "{lost}");
    let holder = format!("\"{}\"", emptied.name);
    let without: Vec<String> = before.iter().map(|line| line.replace(&holder, "")).collect();
    assert_same(&without, &lines(&metadata).await);
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    assert_reads_back(&archive).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_without_a_marker_is_left_out_only_when_told() {
    let cluster = filled(ClusterOptions::default()).await;
    cluster.nodes[5].store.wipe();
    let nodes = nodes_of(&cluster);
    let discovered = discover(&nodes).await.unwrap();
    assert_eq!((discovered.nodes.len(), &discovered.missing[0].name), (15, &cluster.nodes[5].name));
    let metadata: Store = Arc::new(MemoryMetadata::new(create(discovered.archive)));
    let options = ScanOptions::default();
    let error = rebuild_metadata(&nodes, Arc::clone(&metadata), &options, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let options = ScanOptions { without_missing_nodes: true, ..options };
    let report = rebuild_metadata(&nodes, Arc::clone(&metadata), &options, &|_| {}).await.unwrap();
    assert_eq!((report.documents, report.missing.len(), report.nodes.len()), (32, 1, 15));
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    assert_reads_back(&archive).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_never_finished_are_left_out() {
    let cluster = filled(ClusterOptions::default()).await;
    let before = lines_of(&cluster).await;
    let from = document_id(&cluster, "papers/6 \u{e4}\"").await;
    let id = later(from, 1);
    forge(&cluster, from, id, |header| {
        header.name = name("unfinished");
        header.ending.is_none()
    })
    .await;
    let (metadata, report) = rebuilt(&cluster).await;
    let left_out = Finding::Unfinished { document: id, name: Some(name("unfinished")) };
    assert_eq!(report.findings.listed(), [left_out]);
    assert_same(&before, &lines(&metadata).await);
    let found = verified(&cluster, &metadata, false).await;
    let orphan = Finding::Unrecorded { document: id, name: Some(name("unfinished")) };
    assert_eq!(found.findings.listed(), [orphan]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_of_two_finished_uploads_has_the_name() {
    let cluster = filled(ClusterOptions::default()).await;
    let first = document_id(&cluster, "small/19").await;
    let second = later(first, 1);
    forge(&cluster, first, second, |_| true).await;
    let (metadata, report) = rebuilt(&cluster).await;
    let superseded = Finding::Superseded { document: first, name: name("small/19"), by: second };
    assert_eq!(report.findings.listed(), [superseded]);
    let found = metadata.document(&name("small/19")).await.unwrap().unwrap();
    assert_eq!(found.record.id, second);
    assert_eq!(report.documents, 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_that_others_point_at_has_the_name() {
    let cluster = filled(ClusterOptions::default()).await;
    let before = lines_of(&cluster).await;
    let first = document_id(&cluster, "papers/1 \u{e4}\"").await;
    let second = later(first, 1);
    forge(&cluster, first, second, |_| true).await;
    let (metadata, report) = rebuilt(&cluster).await;
    let superseded = Finding::Superseded { document: second, name: name("papers/1 \u{e4}\""), by: first };
    assert_eq!(report.findings.listed(), [superseded]);
    assert_same(&before, &lines(&metadata).await);
}

/// Makes a document that points at a block of `target`; its payload is another's.
async fn forge_pointing_at(cluster: &Cluster, id: DocumentId, text: &str, target: BlockId) {
    let from = document_id(cluster, "small/18").await;
    forge(cluster, from, id, |header| {
        header.name = name(text);
        header.pointers[0] = code::HeaderPointer::Block(target);
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_of_two_uploads_are_kept_if_others_point_at_both() {
    let cluster = filled(ClusterOptions::default()).await;
    let first = document_id(&cluster, "papers/1 \u{e4}\"").await;
    let second = later(first, 1);
    forge(&cluster, first, second, |_| true).await;
    forge_pointing_at(&cluster, later(first, 2), "pointer", BlockId::new(second, 0, 1)).await;
    let (metadata, report) = rebuilt(&cluster).await;
    let made_up = name(&format!("lost/{first}"));
    let kept = Finding::LostDocument { document: first, name: made_up.clone() };
    assert_eq!(report.findings.listed(), [kept]);
    assert_eq!(report.documents, 34);
    assert_eq!(
        metadata.document_by_id(&second).await.unwrap().unwrap().record.name,
        name("papers/1 \u{e4}\"")
    );
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    assert_eq!(get(&archive, made_up.as_str()).await.unwrap(), bytes(1, 900));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_document_waits_too() {
    let cluster = filled(ClusterOptions::default()).await;
    let from = document_id(&cluster, "papers/10 \u{e4}\"").await;
    let mut early = [0; 16];
    early[15] = 2;
    let early = DocumentId::from_bytes(early);
    forge(&cluster, from, early, |header| {
        header.name = name("cut short");
        header.ending.is_none()
    })
    .await;
    forge_pointing_at(&cluster, later(from, 1), "pointer", BlockId::new(early, 9, 1)).await;
    let (metadata, report) = rebuilt(&cluster).await;
    let kept = Finding::LostDocument { document: early, name: name("cut short") };
    assert!(report.findings.listed().contains(&kept), "{:?}", report.findings);
    let document = metadata.document(&name("cut short")).await.unwrap().unwrap();
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    let read = testkit::cluster::read(&archive, &document, 0..20_000).await.unwrap();
    assert!(read == bytes(10, 150_000)[..20_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_wait_for_those_that_they_point_at() {
    let cluster = filled(ClusterOptions::default()).await;
    let from = document_id(&cluster, "small/19").await;
    let mut early = [0; 16];
    early[15] = 1;
    let early = DocumentId::from_bytes(early);
    forge(&cluster, from, early, |header| {
        header.name = name("began first, ended last");
        true
    })
    .await;
    let (metadata, report) = rebuilt(&cluster).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.documents, 33);
    assert!(report.rounds >= 2);
    let document = metadata.document(&name("began first, ended last")).await.unwrap().unwrap();
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    let read: Vec<Bytes> = archive.read(&document, 0..u64::MAX).try_collect().await.unwrap();
    assert_eq!(read.concat(), bytes(19, 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_segment_is_named_and_takes_nothing_with_it() {
    let cluster = filled(ClusterOptions::default()).await;
    let text = "papers/6 \u{e4}\"";
    let id = document_id(&cluster, text).await;
    let lost = [0, 17, 18];
    assert_eq!(delete(&cluster, |block| block.document == id && lost.contains(&block.segment)).await, 9);
    let (metadata, report) = rebuilt(&cluster).await;
    let finding = |segment| Finding::LostSegment { document: id, name: name(text), segment };
    assert_eq!(report.findings.listed(), lost.map(finding));
    assert_eq!((report.documents, report.incomplete), (32, 1));
    let document = metadata.document(&name(text)).await.unwrap().unwrap();
    let before = cluster.metadata.document(&name(text)).await.unwrap().unwrap();
    assert_eq!((document.record.hash, document.record.layout.length()), (before.record.hash, 1_300_000));
    let segments = metadata.segments(document.reference, 16, 3).await.unwrap();
    assert_ne!(segments[0].hash, UNKNOWN_HASH);
    assert_eq!((segments[1].hash, &segments[2].parities[2].nodes), (UNKNOWN_HASH, &Vec::new()));
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    let error = get(&archive, text).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let whole = bytes(6, 1_300_000);
    let part = testkit::cluster::read(&archive, &document, 16_384..32_768).await.unwrap();
    assert!(part == whole[16_384..32_768], "what is left can be read");
    assert_eq!(get(&archive, "small/3").await.unwrap(), bytes(3, 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_document_leaves_those_that_point_at_it() {
    let cluster = filled(ClusterOptions::default()).await;
    let (gone, cut) =
        (document_id(&cluster, "papers/1 \u{e4}\"").await, document_id(&cluster, "papers/4 \u{e4}\"").await);
    let end = cluster.metadata.document_by_id(&cut).await.unwrap().unwrap().record.layout.segments() - 1;
    delete(&cluster, |block| block.document == gone || (block.document == cut && block.segment == end)).await;
    let (metadata, report) = rebuilt(&cluster).await;
    assert_eq!(report.documents, 32);
    let left = metadata.document(&name("papers/4 \u{e4}\"")).await.unwrap().unwrap();
    let left = metadata.segments(left.reference, 0, 1).await.unwrap().remove(0);
    assert_ne!(left.hash, UNKNOWN_HASH, "what is left of a document is recorded as it is");
    let lost = metadata.document_by_id(&gone).await.unwrap().unwrap();
    assert_eq!(lost.record.name.as_str(), format!("lost/{gone}"));
    assert!(
        report.findings.listed().contains(&Finding::LostDocument { document: gone, name: lost.record.name })
    );
    assert!(
        report.findings.listed().iter().any(|finding| finding.document() == cut),
        "{:?}",
        report.findings
    );
    let archive = open(nodes_of(&cluster), metadata, ClusterOptions::default().settings).await;
    let mut readable = 0;
    for (number, length) in LENGTHS.into_iter().enumerate() {
        match get(&archive, &format!("papers/{number} \u{e4}\"")).await {
            Ok(read) => {
                readable += 1;
                assert!(read == bytes(number as u64, length), "document {number}");
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound), "{error}");
            }
        }
    }
    assert!(readable >= 6, "{readable}");
    assert_eq!(get(&archive, &format!("lost/{gone}")).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuild_goes_on_where_another_was_interrupted() {
    let cluster = filled(ClusterOptions::default()).await;
    let nodes = nodes_of(&cluster);
    let id = discover(&nodes).await.unwrap().archive;
    let metadata: Store = Arc::new(MemoryMetadata::new(create(id)));
    for limit in [3, 9, 40] {
        let (nodes, metadata) = (nodes.clone(), Arc::clone(&metadata));
        // Ends in the middle of things, as a killed process does.
        let (stop, stopped) = tokio::sync::watch::channel(0);
        let rebuild = async move {
            let progress = move |at: archive::rebuild::ScanProgress| {
                stop.send_replace(at.documents);
            };
            rebuild_metadata(&nodes, metadata, &ScanOptions::default(), &progress).await
        };
        let mut stopped = stopped;
        tokio::select! {
            _ = rebuild => {}
            _ = stopped.wait_for(|documents| *documents >= limit) => {}
        }
    }
    let (options, store) = (ScanOptions::default(), Arc::clone(&metadata));
    let report = rebuild_metadata(&nodes, store, &options, &|_| {}).await.unwrap();
    assert_eq!(report.documents + report.already, 32);
    assert_same(&lines_of(&cluster).await, &lines(&metadata).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_copies_are_not_believed() {
    let cluster = filled(ClusterOptions::default().copies(2, 2)).await;
    let id = document_id(&cluster, "small/3").await;
    let mut broken = Vec::new();
    for node in &cluster.nodes {
        for stat in node.store.list_document(&id).await.unwrap() {
            if stat.id.parity == 1 {
                let bytes = node.store.get(&stat.id, 1 << 20).await.unwrap();
                let mut payload = bytes.to_vec();
                *payload.last_mut().unwrap() ^= 1;
                let block = Block { header: Bytes::new(), payload: payload.into() };
                node.store.put(&stat.id, &block).await.unwrap();
                broken.push((stat.id, node.name.clone()));
                break;
            }
        }
    }
    let (block, node) = broken[0].clone();
    let (_, quick) = rebuilt(&cluster).await;
    assert!(quick.findings.is_empty(), "a flipped bit of the payload takes a deep scan");
    let options = ScanOptions { deep: true, ..ScanOptions::default() };
    let (metadata, report) = rebuilt_with(&cluster, &options).await;
    let bad = |finding: &Finding| match finding {
        Finding::BadCopy { block: at, .. } => *at == block,
        _ => false,
    };
    assert_eq!(report.findings.listed().len(), broken.len());
    assert!(report.findings.listed().iter().all(bad));
    assert_eq!(report.recomputed, 1, "both copies are bad: the hash is computed");
    let document = metadata.document_by_id(&id).await.unwrap().unwrap();
    let record = metadata.segments(document.reference, 0, 1).await.unwrap().remove(0);
    let before = cluster.metadata.document_by_id(&id).await.unwrap().unwrap();
    let before = cluster.metadata.segments(before.reference, 0, 1).await.unwrap().remove(0);
    assert_eq!(record.parities[1].hash, before.parities[1].hash);
    assert!(record.parities[1].nodes.is_empty(), "{node} is not believed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_finds_what_contradicts_the_record() {
    let cluster = filled(ClusterOptions::default()).await;
    let metadata: Store = Arc::new(cluster.metadata.clone());
    let report = verified(&cluster, &metadata, true).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.documents, report.blocks), (32, cluster.blocks().await as u64));

    let id = document_id(&cluster, "small/3").await;
    forge(&cluster, id, id, |header| {
        header.name = name("small/4");
        header.id.parity == 2
    })
    .await;
    let moved = cluster.metadata.document(&name("small/7")).await.unwrap().unwrap();
    let codeword = types::CodewordRef { document: moved.reference, segment: 0 };
    let at = types::BlockRef { codeword, parity: 1 };
    let record = metadata.segments(moved.reference, 0, 1).await.unwrap().remove(0);
    let nodes = record.parities[1].nodes.clone();
    let other = NodeIndex((nodes[0].0 + 1) % 16);
    metadata.relocate(at, &nodes, &[other]).await.unwrap();
    let gone = document_id(&cluster, "small/9").await;
    delete(&cluster, |block| block.document == gone).await;

    let report = verified(&cluster, &metadata, false).await;
    let block = BlockId::new(moved.record.id, 0, 1);
    let node = |index: NodeIndex| cluster.nodes[usize::from(index.0)].name.clone();
    let mut expected = vec![
        Finding::Differs {
            block: BlockId::new(id, 0, 2),
            what: "name",
            recorded: "\"small/3\"".to_owned(),
            found: "\"small/4\"".to_owned(),
        },
        Finding::Unlisted { block, node: node(nodes[0]) },
        Finding::NotThere { block, node: node(other) },
        Finding::NoBlocks { document: gone, name: name("small/9") },
    ];
    expected.sort_by_key(Finding::document);
    assert_eq!(report.findings.listed(), expected);
}

#[tokio::test]
async fn nodes_of_two_archives_are_refused() {
    let (one, two) =
        (Cluster::new(ClusterOptions::default()).await, Cluster::new(ClusterOptions::default()).await);
    two.nodes[1].store.wipe();
    let other = storage::NodeIdentity {
        archive: ArchiveId::from_bytes([9; 16]),
        node: two.nodes[1].name.clone(),
        incarnation: types::Incarnation::from_bytes([1; 16]),
    };
    two.nodes[1].store.claim(&other).await.unwrap();
    let mut nodes = nodes_of(&one);
    nodes[1] = nodes_of(&two).remove(1);
    assert_eq!(discover(&nodes).await.unwrap_err().kind(), ErrorKind::Denied);
    let metadata: Store = Arc::new(MemoryMetadata::new(create(one.archive.info().id)));
    let options = ScanOptions { without_missing_nodes: true, ..ScanOptions::default() };
    let error = rebuild_metadata(&nodes, metadata, &options, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    nodes.truncate(0);
    assert_eq!(discover(&nodes).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_and_sqlite_are_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let pool = BufferPool::new(1 << 20);
    let nodes = || -> Vec<NodeParts> {
        let part = |number: usize| {
            let name = NodeName::new(&format!("node-{number}")).unwrap();
            let path = folder.path().join(name.as_str());
            std::fs::create_dir_all(&path).unwrap();
            NodeParts {
                store: Arc::new(DirectoryStore::new(name.clone(), path, pool.clone())),
                name,
                zone: None,
            }
        };
        (1..=14).map(part).collect()
    };
    let settings = ClusterOptions::default().settings;
    let path = folder.path().join("metadata.sqlite");
    let id = ArchiveId::from_bytes([5; 16]);
    let metadata: Store = Arc::new(SqliteMetadata::open(&path, create(id)).await.unwrap());
    let archive = open(nodes(), Arc::clone(&metadata), settings.clone()).await;
    fill(&archive).await;
    archive.close().await;
    let before = lines(&metadata).await;
    drop((archive, metadata));
    std::fs::remove_file(&path).unwrap();

    let found = discover(&nodes()).await.unwrap();
    assert_eq!((found.archive, found.nodes.len()), (id, 14));
    let path = folder.path().join("again.sqlite");
    let metadata: Store = Arc::new(SqliteMetadata::open(&path, create(found.archive)).await.unwrap());
    let options = ScanOptions::default();
    let report = rebuild_metadata(&nodes(), Arc::clone(&metadata), &options, &|_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_same(&before, &lines(&metadata).await);
    let archive = open(nodes(), metadata, settings).await;
    assert_reads_back(&archive).await;
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_archives_of_version_1_are_rebuilt() {
    for code in ["1-10-3", "2-3-4"] {
        let folder = tempfile::tempdir().unwrap();
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/archive-v1").join(code);
        copy_folder(&kept, folder.path());
        let pool = BufferPool::new(1 << 20);
        let mut nodes = Vec::new();
        for entry in std::fs::read_dir(folder.path().join("nodes")).unwrap().map(Result::unwrap) {
            // What a checkout leaves out because it is empty.
            std::fs::create_dir_all(entry.path().join("tmp")).unwrap();
            let name = NodeName::new(entry.file_name().to_str().unwrap()).unwrap();
            let store = Arc::new(DirectoryStore::new(name.clone(), entry.path(), pool.clone()));
            nodes.push(NodeParts { name, zone: None, store });
        }
        let id = discover(&nodes).await.unwrap().archive;
        let before = SqliteMetadata::open(&folder.path().join("metadata.sqlite"), create(id)).await.unwrap();
        let before: Store = Arc::new(before);
        let after: Store = Arc::new(MemoryMetadata::new(create(id)));
        let options = ScanOptions { deep: true, ..ScanOptions::default() };
        let report = rebuild_metadata(&nodes, Arc::clone(&after), &options, &|_| {}).await.unwrap();
        assert!(report.findings.is_empty() && report.documents > 5, "{report:?}");
        assert_same(&lines(&before).await, &lines(&after).await);
        let verified = verify_metadata(&nodes, before, &options, &|_| {}).await.unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    }
}
