"""All tables, imported in one place so that the metadata is whole."""

from helpdesk.models.channel import Channel, ParkedMail
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.customer import Customer, Identity, Organisation, OrganisationDomain
from helpdesk.models.event import Event
from helpdesk.models.idempotency import IdempotencyKey
from helpdesk.models.inbound import DedupKey, InboundEvent, InboundState, RawInput, Tally
from helpdesk.models.message import Attachment, Blob, DeliveryState, Draft, Message, MessageKind
from helpdesk.models.outbox import Attempt, Delivery, OutboxItem
from helpdesk.models.project import Project, Setting, read_setting, write_setting
from helpdesk.models.queue import CannedReply, Category, CustomerText, FollowUp, Queue, QueueClock
from helpdesk.models.search import SearchDocument
from helpdesk.models.ticket import Reply, State, Tag, Ticket, TicketLink, TicketPerson, TicketTag
from helpdesk.models.user import Group, Membership, QueueRight, Right, Role, User

__all__ = [
    "Attachment",
    "Attempt",
    "Blob",
    "CannedReply",
    "Category",
    "Channel",
    "Conversation",
    "Customer",
    "CustomerText",
    "DedupKey",
    "Delivery",
    "DeliveryState",
    "Draft",
    "Event",
    "FollowUp",
    "Group",
    "IdempotencyKey",
    "Identity",
    "InboundEvent",
    "InboundState",
    "Membership",
    "Message",
    "MessageKind",
    "Organisation",
    "OrganisationDomain",
    "OutboxItem",
    "ParkedMail",
    "Participant",
    "Project",
    "Queue",
    "QueueClock",
    "QueueRight",
    "RawInput",
    "Reply",
    "Right",
    "Role",
    "SearchDocument",
    "Setting",
    "State",
    "Tag",
    "Tally",
    "Ticket",
    "TicketLink",
    "TicketPerson",
    "TicketTag",
    "User",
    "read_setting",
    "write_setting",
]
