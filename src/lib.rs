//! cloakroom: a session store that any server links in.
