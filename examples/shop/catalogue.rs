//! What there is to buy.

use std::fmt::Write as _;

use axum::response::Response;

use crate::page;
use crate::visitor::Visitor;

pub struct Item {
    /// What forms and carts call it.
    pub id: &'static str,
    pub name: &'static str,
    pub about: &'static str,
    pub cents: u64,
    /// The paths of its picture, 120 by 120, drawn in `currentColor`.
    pub picture: &'static str,
}

pub const ITEMS: &[Item] = &[
    Item {
        id: "coat",
        name: "Loden coat",
        about: "Boiled wool, horn buttons. Older than fashion.",
        cents: 28_900,
        picture: r#"<path d="M47 18l13 7 13-7q13 2 16 9l12 49-10 3-9-28v51H38V51l-9 28-10-3 12-49q3-7 16-9z"/><path class="thin" d="M60 26L50 42l10 14 10-14zM60 56v46M54 66h.1M54 78h.1M54 90h.1"/>"#,
    },
    Item {
        id: "umbrella",
        name: "Umbrella",
        about: "Ash handle, eight ribs, one opinion about wind.",
        cents: 7_400,
        picture: r#"<path d="M18 64a42 42 0 0 1 84 0q-7-7-14 0-7-7-14 0-7-7-14 0-7-7-14 0-7-7-14 0-7-7-14 0z"/><path class="line" d="M60 22v-6M60 60v32a8 8 0 0 0 16 0"/>"#,
    },
    Item {
        id: "hat",
        name: "Felt hat",
        about: "Rabbit felt, silk band. Tips itself, nearly.",
        cents: 11_900,
        picture: r#"<path d="M40 72l5-32q15-8 30 0l5 32z"/><path d="M14 74q46-10 92 0-10 14-46 14T14 74z"/><path class="thin" d="M41 66q19 6 38 0"/>"#,
    },
    Item {
        id: "gloves",
        name: "Gloves",
        about: "Peccary leather, sewn by hand for hands.",
        cents: 8_600,
        picture: r#"<path d="M40 98V66L28 52q-2-8 6-7l8 8V30q5-8 10 0v18-24q5-8 10 0v24-20q5-8 10 0v22-14q5-7 9 0v34l-6 12v16z"/><path class="thin" d="M40 88h35"/>"#,
    },
    Item {
        id: "scarf",
        name: "Scarf",
        about: "Two metres of lambswool, wound as you like.",
        cents: 5_900,
        picture: r#"<path d="M36 26q24 16 48 0l6 16q-14 10-24 11l8 45H54l-2-45q-14-2-22-11z"/><path class="line" d="M57 98v7M62 98v7M67 98v7M72 98v7"/>"#,
    },
    Item {
        id: "case",
        name: "Weekend case",
        about: "Holds two days, or one and a half with books.",
        cents: 19_500,
        picture: r#"<rect x="20" y="44" width="80" height="52" rx="7"/><path class="line" d="M46 44v-9q0-5 5-5h18q5 0 5 5v9"/><path class="thin" d="M38 44v52M82 44v52"/>"#,
    },
];

pub fn find(id: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.id == id)
}

pub fn price(cents: u64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}

pub async fn show(visitor: Visitor) -> Response {
    let mut cards = String::new();
    for Item { id, name, about, cents, picture } in ITEMS {
        let price = price(*cents);
        let csrf = visitor.csrf_field();
        let _ = write!(
            cards,
            r#"<li class="card {id}">
<svg viewBox="0 0 120 120" aria-hidden="true">{picture}</svg>
<h2>{name}</h2>
<p>{about}</p>
<form method="post" action="/cart/add">{csrf}<input type="hidden" name="item" value="{id}">
<span class="price">{price}</span><button>Add<span class="unseen"> {name}</span> to cart</button></form>
</li>"#
        );
    }
    let body = format!(
        r#"<h1>Left with us, found again</h1>
<p class="lead">Fill your cart, close the browser, pull our plug: everything hangs where you left it.</p>
<ul class="cards">{cards}</ul>"#
    );
    page::page("Catalogue", &visitor, &body)
}
