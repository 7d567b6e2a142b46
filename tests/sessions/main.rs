//! What sessions promise, sentence by sentence, over a MemoryStore.

#![allow(missing_docs, unreachable_pub)]

mod support;

mod changing;
mod cookies;
mod damaged;
mod devices;
mod edits;
mod failing;
mod gone;
mod handles;
mod login;
mod lost;
mod meeting;
mod opening;
mod owners;
mod scenes;
mod settings;
mod sweeping;
mod table;
mod threads;
mod touching;
mod traced;
