"""Signing in: sessions and who is asking."""

from flask import Flask
from flask_login import LoginManager

from helpdesk.db import db
from helpdesk.models.user import User

manager = LoginManager()


def init_app(app: Flask) -> None:
    """Teach the application who is signed in."""
    manager.init_app(app)

    @manager.user_loader
    def load(key: str) -> User | None:
        return db.session.get(User, int(key))
