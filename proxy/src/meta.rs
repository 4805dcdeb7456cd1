//! `<name>/__meta`: what is known of a document, as JSON.
//!
//! A document may have a million segments, so its description is written page by page and never held whole. The
//! keys that RECAST had keep their names and their order; what is new comes after them.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::body::BodyStream;
use actix_web::http::header::CONTENT_TYPE;
use archive::{Archive, BlockDescription, Error, PointerDescription, SegmentDescription};
use bytes::Bytes;
use futures_util::{Stream, stream};
use metadata::Document;
use serde::Serialize;
use types::DocumentName;

use crate::attributes;
use crate::door::Door;
use crate::problem::Problem;

/// Segments described at a time.
const PAGE_SEGMENTS: u32 = 64;

/// What an anchor is called where a document's name is expected: no document can have it.
const ANCHOR: &str = "-/anchor";

/// A list with an element (or several) for every segment.
#[derive(Debug, Clone, Copy)]
enum Section {
    EntanglingBlocks,
    Blocks,
    Segments,
}

/// What is to be written next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Head,
    /// A section from this segment on.
    Page(Section, u32),
    Facts,
    End,
}

struct Writer {
    archive: Archive,
    document: Document,
    /// The first page. Where it is the only one, it serves every section.
    first: Vec<SegmentDescription>,
    step: Step,
}

#[derive(Serialize)]
struct Head<'a> {
    path: &'a str,
    creation_date: String,
    original_size: u64,
}

#[derive(Serialize)]
struct Facts<'a> {
    hash: String,
    content_type: String,
    user_metadata: BTreeMap<&'a str, &'a str>,
    code: Code,
}

#[derive(Serialize)]
struct Code {
    s: usize,
    t: usize,
    p: usize,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the names are RECAST's")]
struct Block<'a> {
    key: String,
    id: String,
    providers: Vec<&'a str>,
    creation_date: String,
    block_type: &'a str,
    checksum: String,
    entangled_with: Vec<&'a str>,
}

#[derive(Serialize)]
struct Segment {
    index: u32,
    offset: u64,
    length: u64,
    block_length: usize,
    hash: String,
}

/// Describes a document.
pub(crate) async fn meta(door: &Door, name: &DocumentName) -> Result<HttpResponse, Problem> {
    let document = door.archive.document(name).await?;
    let first = door.archive.describe(&document, 0, PAGE_SEGMENTS).await?;
    let writer = Writer { archive: door.archive.clone(), document, first, step: Step::Head };
    let body = BodyStream::new(Box::pin(writer.into_stream()));
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body))
}

/// A pointer, as JSON tells it: the name and the number.
pub(crate) fn pointer(pointer: &PointerDescription) -> (&str, u64) {
    match pointer {
        PointerDescription::Anchor(number) => (ANCHOR, u64::from(*number)),
        PointerDescription::Block { name, index } => (name.as_str(), *index),
    }
}

impl Writer {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        stream::try_unfold(self, |mut writer| async move {
            let text = writer.next().await?;
            Ok(text.map(|text| (Bytes::from(text), writer)))
        })
    }

    /// The next piece of the text.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let text = match self.step {
            Step::Head => {
                self.step = Step::Page(Section::EntanglingBlocks, 0);
                self.head()?
            }
            Step::Page(section, from) => self.page(section, from).await?,
            Step::Facts => {
                self.step = Step::Page(Section::Segments, 0);
                self.facts()?
            }
            Step::End => return Ok(None),
        };
        Ok(Some(text))
    }

    fn head(&self) -> Result<Vec<u8>, Error> {
        let record = &self.document.record;
        let head = Head {
            path: record.name.as_str(),
            creation_date: record.created.to_string(),
            original_size: record.layout.length(),
        };
        // The object goes on with a section.
        open_object(&head)
    }

    fn facts(&self) -> Result<Vec<u8>, Error> {
        let record = &self.document.record;
        let facts = Facts {
            hash: record.hash.to_string(),
            content_type: attributes::content_type(record.content_type.as_deref(), &record.name),
            user_metadata: record
                .user_metadata
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
            code: Code { s: record.parameters.s(), t: record.parameters.t(), p: record.parameters.p() },
        };
        let mut text = open_object(&facts)?;
        // It goes on from what stands before it, too.
        if let Some(brace) = text.first_mut() {
            *brace = b',';
        }
        Ok(text)
    }

    async fn page(&mut self, section: Section, from: u32) -> Result<Vec<u8>, Error> {
        let segments = self.document.record.layout.segments();
        let described;
        let page = if from == 0 {
            &self.first
        } else {
            described = self.archive.describe(&self.document, from, PAGE_SEGMENTS).await?;
            &described
        };
        let mut text = Vec::new();
        if from == 0 {
            text.extend_from_slice(section.opening());
        }
        let mut separated = from > 0;
        for segment in page {
            self.write_segment(&mut text, section, segment, &mut separated)?;
        }
        let Some(next) = page.last().map(|last| last.segment.saturating_add(1)) else {
            return Err(Error::Internal(format!("segment {from} of {segments} has no description")));
        };
        self.step = Step::Page(section, next);
        if next >= segments {
            text.extend_from_slice(section.closing());
            self.step = section.followed_by();
        }
        Ok(text)
    }

    fn write_segment(
        &self,
        text: &mut Vec<u8>,
        section: Section,
        segment: &SegmentDescription,
        separated: &mut bool,
    ) -> Result<(), Error> {
        match section {
            Section::EntanglingBlocks => {
                segment.pointers.iter().try_for_each(|each| write_element(text, &pointer(each), separated))
            }
            Section::Blocks => {
                let blocks = segment.blocks.iter().enumerate();
                blocks.into_iter().try_for_each(|(parity, block)| {
                    write_element(text, &self.block(parity, block), separated)
                })
            }
            Section::Segments => write_element(text, &Segment::of(segment), separated),
        }
    }

    fn block<'a>(&self, parity: usize, block: &'a BlockDescription) -> Block<'a> {
        let record = &self.document.record;
        // RECAST called the first s parities data. None of them is.
        let block_type = if parity < record.parameters.s() { "DATA" } else { "PARITY" };
        Block {
            key: format!("{}-{:02}", record.name, block.index),
            id: block.id.to_string(),
            providers: block.providers.iter().map(types::NodeName::as_str).collect(),
            creation_date: record.created.to_string(),
            block_type,
            checksum: block.hash.to_string(),
            entangled_with: block.entangled_with.iter().map(DocumentName::as_str).collect(),
        }
    }
}

impl Segment {
    fn of(segment: &SegmentDescription) -> Self {
        Self {
            index: segment.segment,
            offset: segment.offset,
            length: segment.length,
            block_length: segment.class.bytes(),
            hash: segment.hash.to_string(),
        }
    }
}

impl Section {
    fn opening(self) -> &'static [u8] {
        match self {
            Self::EntanglingBlocks => b",\"entangling_blocks\":[",
            Self::Blocks => b",\"blocks\":[",
            Self::Segments => b",\"segments\":[",
        }
    }

    fn closing(self) -> &'static [u8] {
        match self {
            Self::EntanglingBlocks | Self::Blocks => b"]",
            Self::Segments => b"]}\n",
        }
    }

    fn followed_by(self) -> Step {
        match self {
            Self::EntanglingBlocks => Step::Page(Self::Blocks, 0),
            Self::Blocks => Step::Facts,
            Self::Segments => Step::End,
        }
    }
}

/// An object without its last brace.
fn open_object(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    text.pop();
    Ok(text)
}

fn write_element(text: &mut Vec<u8>, value: &impl Serialize, separated: &mut bool) -> Result<(), Error> {
    if *separated {
        text.push(b',');
    }
    *separated = true;
    serde_json::to_writer(text, value).map_err(|error| Error::Internal(error.to_string()))
}
