use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value as Json, json};

use super::layout::tag;
use super::*;

fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    decode(&encode(value).unwrap()).unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(u8),
    Tuple(i8, String),
    Struct { x: f32, y: Option<f64> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Tagged {
    FirstKind { a: u32 },
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapper(u16);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: (),
    unit_struct: Unit,
    wrapper: Wrapper,
    none: Option<u8>,
    some: Option<u8>,
    character: char,
    bytes: Vec<u8>,
    tuple: (i64, u64, bool),
    shapes: Vec<Shape>,
    tagged: Vec<Tagged>,
    untagged: Vec<Untagged>,
    by_number: BTreeMap<i32, String>,
    by_flag: BTreeMap<bool, u8>,
    by_character: BTreeMap<char, u8>,
    by_wrapper: HashMap<u64, u8>,
    #[serde(rename = "another name", skip_serializing_if = "Option::is_none")]
    renamed: Option<String>,
    #[serde(flatten)]
    rest: HashMap<String, i64>,
}

fn everything() -> Everything {
    Everything {
        unit: (),
        unit_struct: Unit,
        wrapper: Wrapper(u16::MAX),
        none: None,
        some: Some(0),
        character: '\u{10ffff}',
        bytes: vec![0, 255],
        tuple: (i64::MIN, u64::MAX, false),
        shapes: vec![
            Shape::Unit,
            Shape::New(1),
            Shape::Tuple(-1, String::new()),
            Shape::Struct { x: 0.1, y: Some(-0.0) },
            Shape::Struct { x: f32::MAX, y: None },
        ],
        tagged: vec![Tagged::FirstKind { a: 3 }, Tagged::Other],
        untagged: vec![Untagged::Number(7), Untagged::Text("7".into())],
        by_number: BTreeMap::from([(-1, "minus one".into()), (1, "one".into())]),
        by_flag: BTreeMap::from([(true, 1)]),
        by_character: BTreeMap::from([('"', 2)]),
        by_wrapper: HashMap::from([(u64::MAX, 3)]),
        renamed: Some("é".into()),
        rest: HashMap::from([("large".into(), i64::MAX), ("small".into(), i64::MIN)]),
    }
}

#[test]
fn every_kind_of_type_reads_back_and_looks_as_serde_json_makes_it() {
    let everything = everything();
    assert_eq!(round_trip(&everything), everything);
    assert_eq!(to_json(&encode(&everything).unwrap()).unwrap(), serde_json::to_value(&everything).unwrap());
}

#[test]
fn the_ends_of_the_numbers_read_back() {
    assert_eq!(round_trip(&i64::MIN), i64::MIN);
    assert_eq!(round_trip(&i64::MAX), i64::MAX);
    assert_eq!(round_trip(&(1u64 << 63)), 1 << 63);
    assert_eq!(round_trip(&u64::MAX), u64::MAX);
    assert_eq!(round_trip(&i128::from(u64::MAX)), i128::from(u64::MAX));
    assert_eq!(round_trip(&u128::from(u64::MAX)), u128::from(u64::MAX));
    for float in [f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, 1.0] {
        assert_eq!(round_trip(&float).to_bits(), float.to_bits());
    }
    for float in [f32::MIN, f32::MAX, f32::from_bits(1), 0.1, -0.0] {
        assert_eq!(round_trip(&float).to_bits(), float.to_bits());
    }
    assert!(matches!(encode(&(i128::from(u64::MAX) + 1)), Err(ValueError::TooLarge)));
    assert!(matches!(encode(&u128::MAX), Err(ValueError::TooLarge)));
    assert!(matches!(encode(&(i128::from(i64::MIN) - 1)), Err(ValueError::TooLarge)));
}

#[test]
fn nan_and_infinities_are_refused_wherever_they_stand() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(encode(&float), Err(ValueError::NotFinite)));
        assert!(matches!(encode(&(float as f32)), Err(ValueError::NotFinite)));
        assert!(matches!(encode(&vec![BTreeMap::from([("a", Some((1, float)))])]), Err(ValueError::NotFinite)));
        assert!(matches!(encode(&Shape::Struct { x: 1.0, y: Some(float) }), Err(ValueError::NotFinite)));
        let mut stored = vec![tag::FLOAT];
        stored.extend(float.to_le_bytes());
        assert!(matches!(to_json(&stored), Err(ValueError::Damaged)));
    }
}

#[test]
fn a_map_key_that_is_no_text_in_json_is_refused() {
    assert!(matches!(encode(&BTreeMap::from([((1, 2), 3)])), Err(ValueError::Key)));
    assert!(matches!(encode(&BTreeMap::from([(None::<u8>, 3)])), Err(ValueError::Key)));
    assert!(matches!(encode(&BTreeMap::from([((), 3)])), Err(ValueError::Key)));
}

struct Unsized;

impl Serialize for Unsized {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("numbers", &UnsizedList((0..300).filter(|number| number % 2 == 0).collect::<Vec<u32>>()))?;
        map.serialize_entry(&1.5f64, "a float as a key")?;
        map.end()
    }
}

struct UnsizedList(Vec<u32>);

impl Serialize for UnsizedList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        self.0.iter().try_for_each(|number| list.serialize_element(number))?;
        list.end()
    }
}

#[test]
fn lists_and_maps_of_unknown_length_are_written() {
    let json = to_json(&encode(&Unsized).unwrap()).unwrap();
    assert_eq!(json, serde_json::to_value(Unsized).unwrap());
}

#[test]
fn a_struct_that_gained_or_lost_a_field_still_reads() {
    #[derive(Serialize)]
    struct Old {
        name: String,
        gone: Vec<u8>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        #[serde(alias = "name")]
        title: String,
        #[serde(default)]
        added: Option<u8>,
        #[serde(default = "seven")]
        counted: u8,
    }
    fn seven() -> u8 {
        7
    }
    let bytes = encode(&Old { name: "ada".into(), gone: vec![1] }).unwrap();
    assert_eq!(decode::<New>(&bytes).unwrap(), New { title: "ada".into(), added: None, counted: 7 });
}

#[test]
fn a_value_of_another_type_is_an_error_that_says_so() {
    let error = decode::<u8>(&encode("text").unwrap()).unwrap_err();
    assert!(matches!(error, ValueError::Type(_)));
    assert!(error.to_string().contains("expected u8"), "{error}");
    assert!(matches!(decode::<u8>(&encode(&256).unwrap()), Err(ValueError::Type(_))));
}

#[test]
fn a_serialize_that_refuses_is_told_in_its_own_words() {
    struct Refusing;
    impl Serialize for Refusing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    assert_eq!(encode(&[Refusing]).unwrap_err().to_string(), "not today");
}

#[derive(Serialize, Deserialize)]
enum Nest {
    End,
    List(Vec<Nest>),
}

/// Lists alone, or enum variants, which are maps.
fn nested_lists(depth: usize) -> Json {
    (0..depth).fold(Json::Null, |inner, _| Json::Array(vec![inner]))
}

fn nested_maps(depth: usize) -> Json {
    (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
}

fn stored_lists(depth: usize) -> Vec<u8> {
    [vec![tag::LIST; depth], vec![tag::END; depth]].concat()
}

fn stored_maps(depth: usize) -> Vec<u8> {
    [[tag::MAP, tag::TEXT, 1, b'a'].repeat(depth), vec![tag::NULL], vec![tag::END; depth]].concat()
}

#[test]
fn depth_128_passes_and_129_is_refused_on_both_sides() {
    for nest in [nested_lists, nested_maps] {
        let bytes = encode(&nest(128)).unwrap();
        assert_eq!(to_json(&bytes).unwrap(), nest(128));
        assert!(matches!(encode(&nest(129)), Err(ValueError::TooDeep)));
    }
    for stored in [stored_lists, stored_maps] {
        assert!(to_json(&stored(128)).is_ok());
        assert!(matches!(to_json(&stored(129)), Err(ValueError::TooDeep)));
        assert!(matches!(decode::<Json>(&stored(129)), Err(ValueError::TooDeep)));
    }
    let nest = |depth: usize| (0..depth).fold(Nest::End, |inner, _| Nest::List(vec![inner]));
    assert!(encode(&nest(64)).is_ok());
    assert!(matches!(encode(&nest(65)), Err(ValueError::TooDeep)));
}

#[test]
fn what_stands_beside_each_other_is_not_deep() {
    let side_by_side = (vec![everything(); 200], vec![Vec::<u8>::new(); 200], vec![BTreeMap::<u8, u8>::new(); 200]);
    assert_eq!(round_trip(&side_by_side), side_by_side);
}

#[test]
fn a_megabyte_of_nesting_is_refused_without_a_deep_stack() {
    for bytes in [vec![tag::LIST; 1 << 20], vec![tag::MAP; 1 << 20], stored_lists(1 << 19), stored_maps(1 << 18)] {
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let refused = thread.spawn(move || to_json(&bytes).is_err()).unwrap().join().unwrap();
        assert!(refused);
    }
}

#[test]
fn a_damaged_length_allocates_nothing() {
    for tag in [tag::TEXT, tag::LIST, tag::MAP] {
        let bytes = [&[tag, 253][..], &[0xff; 8]].concat();
        assert!(matches!(to_json(&bytes), Err(ValueError::Damaged)));
    }
}

#[test]
fn every_cut_and_every_flip_is_a_value_or_a_typed_error() {
    let bytes = encode(&everything()).unwrap();
    for cut in 0..bytes.len() {
        assert!(matches!(to_json(&bytes[..cut]), Err(ValueError::Damaged)), "cut at {cut}");
    }
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let _ = decode::<Everything>(&flipped);
    }
    assert!(matches!(to_json(&[&bytes[..], &[0]].concat()), Err(ValueError::Damaged)), "left over");
}

#[test]
fn an_integer_has_one_spelling() {
    assert!(matches!(to_json(&[tag::LARGE, 5]), Err(ValueError::Damaged)));
}

#[test]
fn the_layout_is_frozen() {
    let value = json!({ "a": [null, false, true, -1, u64::MAX, 1.5, "é"], "b": {}, "c": [] });
    let hex: String = encode(&value).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let list = "07000102030104fdffffffffffffffff05000000000000f83f0602c3a909";
    assert_eq!(hex, format!("08060161{list}0601620809060163070909"));
}

/// What `serde_json` hands to a serializer when another crate enables `arbitrary_precision` or `raw_value`.
#[derive(Serialize)]
#[serde(rename = "$serde_json::private::Number")]
struct PreciseNumber {
    #[serde(rename = "$serde_json::private::Number")]
    text: &'static str,
}

#[derive(Serialize)]
#[serde(rename = "$serde_json::private::RawValue")]
struct RawValue {
    #[serde(rename = "$serde_json::private::RawValue")]
    text: &'static str,
}

#[test]
fn numbers_and_raw_values_of_serde_json_are_values_whatever_features_the_build_has() {
    let seen = |text| to_json(&encode(&[PreciseNumber { text }]).unwrap()).unwrap();
    assert_eq!(seen("-12"), json!([-12]));
    assert_eq!(seen("18446744073709551615"), json!([u64::MAX]));
    assert_eq!(seen("1.5e3"), json!([1500.0]));
    assert!(matches!(encode(&PreciseNumber { text: "1e999" }), Err(ValueError::NotFinite)));
    assert!(matches!(encode(&PreciseNumber { text: &"9".repeat(50).leak()[..] }), Err(ValueError::TooLarge)));
    assert_eq!(to_json(&encode(&RawValue { text: "{\"a\":[1]}" }).unwrap()).unwrap(), json!({ "a": [1] }));
    assert!(encode(&RawValue { text: "{" }).is_err());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_reads_back(json in any_json()) {
        let bytes = encode(&json).unwrap();
        prop_assert_eq!(to_json(&bytes).unwrap(), json);
    }

    #[test]
    fn any_bytes_are_a_value_or_a_typed_error(bytes in prop::collection::vec(0u8..12, 0..64)) {
        if let Ok(json) = to_json(&bytes) {
            prop_assert_eq!(to_json(&encode(&json).unwrap()).unwrap(), json);
        }
    }
}

#[test]
fn maps_of_the_same_entries_are_the_same_value_in_any_order() {
    use serde::ser::{SerializeMap, Serializer};
    struct InOrder(&'static [(&'static str, u8)]);
    impl Serialize for InOrder {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
            map.end()
        }
    }
    let map = |entries| encode(&(InOrder(entries), 7)).unwrap();
    let (one, other) = (map(&[("a", 1), ("b", 2)]), map(&[("b", 2), ("a", 1)]));
    assert!(one != other && is_same(&one, &other));
    for different in [map(&[("a", 2), ("b", 1)]), map(&[("a", 1)]), encode(&7).unwrap()] {
        assert!(!is_same(&one, &different));
    }
    assert!(!is_same(&encode(&[1, 2]).unwrap(), &encode(&[2, 1]).unwrap()), "a list has an order");
    assert!(!is_same(&encode("ab").unwrap(), &encode("ba").unwrap()));
    assert!(!is_same(&[8, 9], &[7, 7]), "bytes that are no value are the same as themselves only");
}
