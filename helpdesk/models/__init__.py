"""All tables, imported in one place so that the metadata is whole."""

from sqlalchemy.orm import configure_mappers

from helpdesk.models.absence import Absence
from helpdesk.models.api_token import ApiToken, Scope
from helpdesk.models.availability import Availability, AvailabilityChange
from helpdesk.models.bulk_act import BulkAct
from helpdesk.models.calendar import Calendar, CalendarVersion
from helpdesk.models.call import Call
from helpdesk.models.channel import Channel, ParkedMail
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.customer import Customer, Identity
from helpdesk.models.customer_merge import CustomerMerge
from helpdesk.models.definitions import definitions
from helpdesk.models.event import Event
from helpdesk.models.fields import CrmPanel, Field
from helpdesk.models.former import FormerNumber, FormerPattern
from helpdesk.models.handling import Handling
from helpdesk.models.hook import HookRefusal
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.inbound import DedupKey, InboundEvent, InboundState, MailCopies, RawInput, Tally
from helpdesk.models.lists import ListItem, ListName
from helpdesk.models.macro import Macro
from helpdesk.models.message import Attachment, Blob, DeliveryState, Draft, Message, MessageKind
from helpdesk.models.notice import Notice
from helpdesk.models.organisation import Organisation, OrganisationDomain
from helpdesk.models.outbox import AnswerCount, Attempt, Breaker, Delivery, OutboxItem
from helpdesk.models.project import Project, Setting, read_setting, write_setting
from helpdesk.models.promise import PromiseKind, Target, TicketPromise
from helpdesk.models.queue import Category, CustomerText, FollowUp, OwnerAway, Queue, QueueClock
from helpdesk.models.ready import CannedReply, CannedReplyGroup, TextVariable, TextVariableValue
from helpdesk.models.rule import BlockedSender, Rule, SenderCount
from helpdesk.models.saved_view import Order, SavedView
from helpdesk.models.search import SearchDocument
from helpdesk.models.session import PasswordLink, RecoveryCode, TryCount, UserSession
from helpdesk.models.system_mail import SystemMail
from helpdesk.models.task import Task
from helpdesk.models.ticket import (
    Reply,
    State,
    Tag,
    Ticket,
    TicketJoin,
    TicketLink,
    TicketPerson,
    TicketTag,
    TicketWatcher,
)
from helpdesk.models.user import Group, Membership, Permission, QueueRight, Right, Role, User
from helpdesk.models.webhook import Webhook, WebhookDelivery


def configure() -> None:
    """Connect all mappers now, so that a mistake in a model stops the start and not the first request."""
    configure_mappers()


__all__ = [
    "Absence",
    "AnswerCount",
    "ApiToken",
    "Attachment",
    "Attempt",
    "Availability",
    "AvailabilityChange",
    "Blob",
    "BlockedSender",
    "Breaker",
    "BulkAct",
    "Calendar",
    "CalendarVersion",
    "Call",
    "CannedReply",
    "CannedReplyGroup",
    "Category",
    "Channel",
    "Conversation",
    "CrmPanel",
    "Customer",
    "CustomerMerge",
    "CustomerText",
    "DedupKey",
    "Delivery",
    "DeliveryState",
    "Draft",
    "Event",
    "Field",
    "FollowUp",
    "FormerNumber",
    "FormerPattern",
    "Group",
    "Handling",
    "HookRefusal",
    "IdempotencyKey",
    "Identity",
    "InboundEvent",
    "InboundState",
    "ListItem",
    "ListName",
    "Macro",
    "MailCopies",
    "Membership",
    "Message",
    "MessageKind",
    "Notice",
    "Order",
    "Organisation",
    "OrganisationDomain",
    "OutboxItem",
    "OwnerAway",
    "ParkedMail",
    "Participant",
    "PasswordLink",
    "Permission",
    "Project",
    "PromiseKind",
    "Queue",
    "QueueClock",
    "QueueRight",
    "RawInput",
    "RecoveryCode",
    "Reply",
    "Right",
    "Role",
    "Rule",
    "SavedView",
    "Scope",
    "SearchDocument",
    "SenderCount",
    "Setting",
    "State",
    "SystemMail",
    "Tag",
    "Tally",
    "Target",
    "Task",
    "TextVariable",
    "TextVariableValue",
    "Ticket",
    "TicketJoin",
    "TicketLink",
    "TicketPerson",
    "TicketPromise",
    "TicketTag",
    "TicketWatcher",
    "TryCount",
    "User",
    "UserSession",
    "Webhook",
    "WebhookDelivery",
    "configure",
    "definitions",
    "read_setting",
    "write_setting",
]
