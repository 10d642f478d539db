//! From event numbers to columns.
//!
//! ```text
//!   of 50 events   0        1 2 3      4 … 49
//!                  person   auctions   bids
//! ```
//!
//! Ids are dense: which person or auction is the newest follows from the number of an event alone.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBufferBuilder, Int32Array, Int64Array, StringArray, StructArray,
    TimestampMillisecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};

use super::people::{CITIES, FIRST_NAMES, LAST_NAMES, Random, STATES};
use crate::catalog::options::TableOptions;
use crate::data::types::FlinkType;
use crate::error::{EngineError, Result};

const FIRST_ID: i64 = 1_000;
const FIRST_CATEGORY: i64 = 10;
const N_CATEGORIES: u64 = 5;
/// Ids of people and auctions that may be named before they exist.
const ID_LEAD: u64 = 10;
/// One of so many neighbors is hot.
const HOT_GROUP: u64 = 100;
const N_IN_FLIGHT_AUCTIONS: u64 = 100;
const N_ACTIVE_PEOPLE: u64 = 1_000;

/// What the options say about events.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) persons: u64,
    pub(super) auctions: u64,
    pub(super) bids: u64,
    pub(super) person_bytes: usize,
    pub(super) auction_bytes: usize,
    pub(super) bid_bytes: usize,
    pub(super) hot_auction_ratio: u64,
    pub(super) hot_bidder_ratio: u64,
    pub(super) hot_seller_ratio: u64,
    pub(super) events_per_second: u64,
    pub(super) base_time_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventKind {
    Person,
    Auction,
    Bid,
}

/// One event before its fields are known.
#[derive(Debug, Clone, Copy)]
struct Event {
    /// From 1 on; gives the time.
    number: u64,
    /// Gives kind and ids.
    id: u64,
    kind: EventKind,
    time_ms: i64,
}

impl Settings {
    /// The event with this index; 0 is the first.
    #[inline]
    fn event(&self, index: u64) -> Event {
        let number = index + 1;
        let id = number + 1;
        let place = id % self.total();
        Event {
            number,
            id,
            kind: if place < self.persons {
                EventKind::Person
            } else if place < self.persons + self.auctions {
                EventKind::Auction
            } else {
                EventKind::Bid
            },
            time_ms: self.time_ms(number),
        }
    }

    #[inline]
    fn total(&self) -> u64 {
        self.persons + self.auctions + self.bids
    }

    #[inline]
    fn time_ms(&self, event_number: u64) -> i64 {
        let delay_us = 1_000_000.0 / self.events_per_second as f64;
        let since_base_us = (event_number as f64 * delay_us) as i64;
        self.base_time_ms.saturating_add(since_base_us / 1_000)
    }

    /// The newest person, counted from 0.
    #[inline]
    fn last_person(&self, event_id: u64) -> u64 {
        let (epoch, place) = (event_id / self.total(), event_id % self.total());
        epoch * self.persons + place.min(self.persons - 1)
    }

    /// The newest auction, counted from 0.
    #[inline]
    fn last_auction(&self, event_id: u64) -> u64 {
        let (epoch, place) = (event_id / self.total(), event_id % self.total());
        match place.checked_sub(self.persons) {
            // A person is about to come: the last auction is of the round before.
            None => (epoch * self.auctions).saturating_sub(1),
            Some(place) => epoch * self.auctions + place.min(self.auctions - 1),
        }
    }

    /// One of those who are active, or will be soon.
    #[inline]
    fn any_person(&self, event_id: u64, random: &mut Random) -> u64 {
        let n_people = self.last_person(event_id) + 1;
        let n_active = n_people.min(N_ACTIVE_PEOPLE);
        n_people - n_active + random.below(n_active + ID_LEAD)
    }

    /// One of those that are open, or will be soon.
    #[inline]
    fn any_auction(&self, event_id: u64, random: &mut Random) -> u64 {
        let last = self.last_auction(event_id);
        let first = last.saturating_sub(N_IN_FLIGHT_AUCTIONS);
        first + random.below(last - first + 1 + ID_LEAD)
    }

    fn expires_ms(&self, event: Event, random: &mut Random) -> i64 {
        let n_events = N_IN_FLIGHT_AUCTIONS * self.total() / self.auctions;
        let horizon_ms = self.time_ms(event.number + n_events) - event.time_ms;
        let length_ms = 1 + random.below((horizon_ms * 2).max(1).unsigned_abs());
        event.time_ms + length_ms.cast_signed()
    }
}

#[inline]
fn id(base_0: u64) -> i64 {
    FIRST_ID + base_0.cast_signed()
}

/// The columns of a table, each with what it is filled with.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    columns: Vec<(FieldRef, Column)>,
}

#[derive(Debug, Clone)]
enum Column {
    EventType,
    /// A ROW of these fields, for events of this kind.
    Row(EventKind, Fields),
}

const PERSON: &[(&str, DataType)] = &[
    ("id", DataType::Int64),
    ("name", DataType::Utf8),
    ("emailAddress", DataType::Utf8),
    ("creditCard", DataType::Utf8),
    ("city", DataType::Utf8),
    ("state", DataType::Utf8),
    ("dateTime", TIME),
    ("extra", DataType::Utf8),
];

const AUCTION: &[(&str, DataType)] = &[
    ("id", DataType::Int64),
    ("itemName", DataType::Utf8),
    ("description", DataType::Utf8),
    ("initialBid", DataType::Int64),
    ("reserve", DataType::Int64),
    ("dateTime", TIME),
    ("expires", TIME),
    ("seller", DataType::Int64),
    ("category", DataType::Int64),
    ("extra", DataType::Utf8),
];

const BID: &[(&str, DataType)] = &[
    ("auction", DataType::Int64),
    ("bidder", DataType::Int64),
    ("price", DataType::Int64),
    ("channel", DataType::Utf8),
    ("url", DataType::Utf8),
    ("dateTime", TIME),
    ("extra", DataType::Utf8),
];

const TIME: DataType = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);

impl Columns {
    /// Reads the table's columns: `event_type`, `person`, `auction`, `bid`, or some of them, with
    /// the fields of the benchmark, or some of them.
    ///
    /// # Errors
    /// `Options` for other columns, fields and types.
    pub(super) fn of_schema(schema: &Schema, options: &TableOptions<'_>) -> Result<Self> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let column = match field.name().as_str() {
                    "event_type" if *field.data_type() == DataType::Int32 => Column::EventType,
                    "person" => row(field, EventKind::Person, PERSON, options)?,
                    "auction" => row(field, EventKind::Auction, AUCTION, options)?,
                    "bid" => row(field, EventKind::Bid, BID, options)?,
                    name => {
                        return Err(options.error(format!(
                            "connector 'nexmark' has no column '{name}' of type {}; it has \
                             event_type INT, person ROW<…>, auction ROW<…>, bid ROW<…>",
                            FlinkType::from_field(field)
                        )));
                    }
                };
                Ok((Arc::clone(field), column))
            })
            .collect::<Result<_>>()?;
        Ok(Self { columns })
    }

    pub(super) fn project(&self, projection: &[usize]) -> Self {
        let columns = projection
            .iter()
            .filter_map(|&column| self.columns.get(column).cloned())
            .collect();
        Self { columns }
    }

    /// The rows of these events.
    ///
    /// # Errors
    /// `Internal` if arrays and types do not fit.
    pub(super) fn make(&self, settings: &Settings, events: Range<u64>) -> Result<Vec<ArrayRef>> {
        let events: Vec<Event> = events.map(|index| settings.event(index)).collect();
        let make = |(field, column): &(FieldRef, Column)| -> Result<ArrayRef> {
            let (kind, fields) = match column {
                Column::EventType => {
                    let kinds = events.iter().map(|event| event.kind as i32);
                    return Ok(Arc::new(Int32Array::from_iter_values(kinds)));
                }
                Column::Row(kind, fields) => (*kind, fields),
            };
            let values = match kind {
                EventKind::Person => persons(settings, &events),
                EventKind::Auction => auctions(settings, &events),
                EventKind::Bid => bids(settings, &events),
            };
            let nulls = is_of(kind, &events);
            if nulls.null_count() == events.len() {
                return Ok(new_null_array(field.data_type(), events.len()));
            }
            let arrays = fields
                .iter()
                .map(|field| values.array(field))
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(
                fields.clone(),
                arrays,
                Some(nulls),
            )?))
        };
        self.columns.iter().map(make).collect()
    }
}

fn row(
    field: &Field,
    kind: EventKind,
    known: &[(&str, DataType)],
    options: &TableOptions<'_>,
) -> Result<Column> {
    let refuse = |what: String| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        Err(options.error(format!(
            "column '{}' of connector 'nexmark' {what}; its fields are {}",
            field.name(),
            names.join(", ")
        )))
    };
    let DataType::Struct(fields) = field.data_type() else {
        return refuse("must be a ROW".to_owned());
    };
    for own in fields {
        let found = known.iter().find(|(name, _)| *name == own.name());
        let fits = match found.map(|(_, data_type)| data_type) {
            Some(DataType::Timestamp(_, _)) => {
                matches!(own.data_type(), DataType::Timestamp(_, _))
            }
            Some(other) => own.data_type() == other,
            None => false,
        };
        if !fits {
            return refuse(format!(
                "has no field '{}' of type {}",
                own.name(),
                FlinkType::from_field(own)
            ));
        }
    }
    Ok(Column::Row(kind, fields.clone()))
}

fn is_of(kind: EventKind, events: &[Event]) -> NullBuffer {
    let mut valid = BooleanBufferBuilder::new(events.len());
    events
        .iter()
        .for_each(|event| valid.append(event.kind == kind));
    NullBuffer::new(valid.finish())
}

/// The fields of events of one kind, by name; places of other events hold nothing of interest.
struct Values {
    numbers: Vec<(&'static str, Vec<i64>)>,
    times: Vec<(&'static str, Vec<i64>)>,
    texts: Vec<(&'static str, Texts)>,
}

/// Texts, one a row.
struct Texts {
    bytes: String,
    ends: Vec<i32>,
}

impl Texts {
    fn new(n_rows: usize, n_bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(n_rows + 1);
        ends.push(0);
        Self {
            bytes: String::with_capacity(n_bytes),
            ends,
        }
    }

    /// The text of this row is what was appended since the last call.
    #[inline]
    fn end_row(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    /// Bytes of the row that has not ended.
    #[inline]
    fn open_bytes(&self) -> usize {
        self.bytes.len() - self.ends.last().map_or(0, |&end| end as usize)
    }
}

impl Values {
    fn array(&self, field: &Field) -> Result<ArrayRef> {
        let name = field.name().as_str();
        let of = |lists: &[(&'static str, Vec<i64>)]| {
            let found = lists.iter().find(|(known, _)| *known == name);
            found.map(|(_, values)| values.clone())
        };
        if let Some(numbers) = of(&self.numbers) {
            return Ok(Arc::new(Int64Array::from(numbers)));
        }
        if let Some(times) = of(&self.times) {
            let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(times));
            return match field.data_type() {
                data_type if *data_type == TIME => Ok(times),
                data_type => Ok(cast(&times, data_type)?),
            };
        }
        let Some((_, texts)) = self.texts.iter().find(|(known, _)| *known == name) else {
            return Err(EngineError::internal("a field that no event has"));
        };
        let offsets = OffsetBuffer::new(texts.ends.clone().into());
        let bytes = texts.bytes.as_bytes().to_vec().into();
        Ok(Arc::new(StringArray::try_new(offsets, bytes, None)?))
    }
}

fn persons(settings: &Settings, events: &[Event]) -> Values {
    let n_rows = events.len();
    let mut ids = Vec::with_capacity(n_rows);
    let texts = || Texts::new(n_rows, n_rows);
    let (mut name, mut email, mut card) = (texts(), texts(), texts());
    let (mut city, mut state, mut extra) = (texts(), texts(), texts());
    for event in events {
        if event.kind == EventKind::Person {
            let random = &mut Random::of_event(event.id);
            ids.push(id(settings.last_person(event.id)));
            name.bytes.push_str(random.one_of(&FIRST_NAMES));
            name.bytes.push(' ');
            name.bytes.push_str(random.one_of(&LAST_NAMES));
            random.push_text(&mut email.bytes, 7, ' ');
            email.bytes.push('@');
            random.push_text(&mut email.bytes, 5, ' ');
            email.bytes.push_str(".com");
            for part in 0..4 {
                let gap = if part > 0 { " " } else { "" };
                let digits = random.below(10_000);
                card.bytes.push_str(&format!("{gap}{digits:04}"));
            }
            city.bytes.push_str(random.one_of(&CITIES));
            state.bytes.push_str(random.one_of(&STATES));
            let n_bytes = [&name, &email, &card, &city, &state]
                .map(Texts::open_bytes)
                .iter()
                .sum::<usize>();
            random.push_extra(&mut extra.bytes, 8 + n_bytes, settings.person_bytes);
        } else {
            ids.push(0);
        }
        for texts in [
            &mut name, &mut email, &mut card, &mut city, &mut state, &mut extra,
        ] {
            texts.end_row();
        }
    }
    Values {
        numbers: vec![("id", ids)],
        times: vec![("dateTime", times(events))],
        texts: vec![
            ("name", name),
            ("emailAddress", email),
            ("creditCard", card),
            ("city", city),
            ("state", state),
            ("extra", extra),
        ],
    }
}

fn auctions(settings: &Settings, events: &[Event]) -> Values {
    let n_rows = events.len();
    let mut rows: Vec<[i64; 6]> = Vec::with_capacity(n_rows);
    let texts = || Texts::new(n_rows, n_rows);
    let (mut name, mut description, mut extra) = (texts(), texts(), texts());
    for event in events {
        let mut row = [0; 6];
        if event.kind == EventKind::Auction {
            let random = &mut Random::of_event(event.id);
            // Most are of a hot seller: the first of the last hundred people.
            let seller = if random.below(settings.hot_seller_ratio) > 0 {
                settings.last_person(event.id) / HOT_GROUP * HOT_GROUP
            } else {
                settings.any_person(event.id, random)
            };
            let category = FIRST_CATEGORY + random.below(N_CATEGORIES).cast_signed();
            let initial_bid = random.price();
            let expires_ms = settings.expires_ms(*event, random);
            random.push_text(&mut name.bytes, 20, ' ');
            random.push_text(&mut description.bytes, 100, ' ');
            let reserve = initial_bid + random.price();
            let n_bytes = 48 + name.open_bytes() + description.open_bytes();
            random.push_extra(&mut extra.bytes, n_bytes, settings.auction_bytes);
            let auction = id(settings.last_auction(event.id));
            row = [
                auction,
                initial_bid,
                reserve,
                id(seller),
                category,
                expires_ms,
            ];
        }
        rows.push(row);
        for texts in [&mut name, &mut description, &mut extra] {
            texts.end_row();
        }
    }
    let [ids, initial_bids, reserves, sellers, categories, expires] = columns(&rows);
    Values {
        numbers: vec![
            ("id", ids),
            ("initialBid", initial_bids),
            ("reserve", reserves),
            ("seller", sellers),
            ("category", categories),
        ],
        times: vec![("dateTime", times(events)), ("expires", expires)],
        texts: vec![
            ("itemName", name),
            ("description", description),
            ("extra", extra),
        ],
    }
}

fn bids(settings: &Settings, events: &[Event]) -> Values {
    let n_rows = events.len();
    let mut rows: Vec<[i64; 3]> = Vec::with_capacity(n_rows);
    let (mut channel, mut url) = (
        Texts::new(n_rows, n_rows * 8),
        Texts::new(n_rows, n_rows * 64),
    );
    let mut extra = Texts::new(n_rows, n_rows * settings.bid_bytes);
    for event in events {
        let mut row = [0; 3];
        if event.kind == EventKind::Bid {
            let random = &mut Random::of_event(event.id);
            // The hot auction is the first of the last hundred, the hot bidder the second: hot
            // sellers do not bid.
            let auction = if random.below(settings.hot_auction_ratio) > 0 {
                settings.last_auction(event.id) / HOT_GROUP * HOT_GROUP
            } else {
                settings.any_auction(event.id, random)
            };
            let bidder = if random.below(settings.hot_bidder_ratio) > 0 {
                settings.last_person(event.id) / HOT_GROUP * HOT_GROUP + 1
            } else {
                settings.any_person(event.id, random)
            };
            row = [id(auction), id(bidder), random.price()];
            let (channel_name, address) = random.channel();
            channel.bytes.push_str(channel_name);
            url.bytes.push_str(address);
            random.push_extra(&mut extra.bytes, 32, settings.bid_bytes);
        }
        rows.push(row);
        channel.end_row();
        url.end_row();
        extra.end_row();
    }
    let [auctions, bidders, prices] = columns(&rows);
    Values {
        numbers: vec![
            ("auction", auctions),
            ("bidder", bidders),
            ("price", prices),
        ],
        times: vec![("dateTime", times(events))],
        texts: vec![("channel", channel), ("url", url), ("extra", extra)],
    }
}

fn times(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.time_ms).collect()
}

fn columns<const N: usize>(rows: &[[i64; N]]) -> [Vec<i64>; N] {
    std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row.get(column).copied().unwrap_or_default())
            .collect()
    })
}
