"""Telling people and programs what happens: rules, an outbox, webhooks, e-mail, the bell of the console."""
