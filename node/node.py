"""A node: everything of one home, wired together.

`Node` holds the parts and runs them; each part is handed what it needs and nothing else.  What a
node stands on (database, network, clock, entropy, where long work runs) comes in from outside, so
the same node runs in the daemon and in a simulated world.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
import trio

from ..crypto.entropy import Entropy
from ..protocol.command import Cmd, PairDeviceArgs
from ..protocol.delegation import Delegation
from ..protocol.duty import Duty, has_duty
from ..protocol.limits import ADDRESSES_MAX, WINDOW_PAGES_MAX
from ..protocol.receipt import Receipt
from ..protocol.trust import GrantStatus
from .checkpoint import UNWATCHED, Checkpoint
from .clock import Clock
from .config import Config
from .devices.acquaintance_rows import acquaintance_spaces
from .devices.deletion_rows import deletion_spaces
from .devices.enrolling import Enrolling
from .devices.epoch_space import Epochs
from .devices.erased_rows import erased_spaces
from .devices.handing_over import HandingOver
from .devices.helper_rows import helper_spaces
from .devices.household_rows import household_spaces
from .devices.keeping import Keeping
from .devices.lent_on_rows import LentOnSpace
from .devices.mandate_rows import mandate_spaces
from .devices.money_rows import money_spaces
from .devices.own_devices import OwnDevices
from .devices.page_spaces import PageSpaces
from .devices.peer_device_space import PeerDeviceSpace
from .devices.reading_rows import reading_spaces
from .devices.shared_record_space import SharedRecordSpace
from .devices.shared_rows import SharedRows
from .devices.space import Space
from .devices.view_rows import derives, view_spaces
from .erasure.erasure import Erasing
from .erasure.sweeping import Sweeping
from .exchange.acting import Acting
from .exchange.answering import Answering
from .exchange.arriving import Arriving
from .exchange.confirming import Confirming
from .exchange.deliveries import Deliveries
from .exchange.door import Door
from .exchange.exchange import Exchange
from .exchange.fetcher import Fetcher
from .exchange.follow_up import FollowUp
from .exchange.introductions import Introductions
from .exchange.link_answers import LinkAnswers
from .exchange.link_lending import LinkLending
from .exchange.links import Links
from .exchange.meeting import Meeting
from .exchange.meeting_again import MeetingAgain
from .exchange.post import Post
from .exchange.quotas import Quotas
from .exchange.read_source import OwnSource
from .exchange.shelving import Shelving
from .exchange.showing import Showing
from .exchange.turns import Turns
from .grants.borrowing import Borrowing
from .grants.deletion_down import DeletionDown
from .grants.deletion_duty import DeletionDuty
from .grants.frugality import Frugalities
from .grants.given_again import GivenAgain
from .grants.grant_given import GrantGiven
from .grants.inbox import Asked, Inbox, Side
from .grants.lending_on import LendingOn
from .grants.lent_on_left import LentOnLeft
from .grants.offered import Offers
from .grants.processors import Processors
from .grants.reencryption import Reencryption
from .grants.renewal import Renewals
from .grants.standing_terms import StandingRules
from .helping.helped_source import HelpedSource
from .helping.helpers import Helpers
from .helping.leasing import Leasing
from .helping.returned import Returned
from .helping.served_by import ServedBys
from .helping.shelf_pages import ShelfPages
from .helping.shelves import Shelves
from .history import History
from .household.deciding_for import DecidingFor
from .household.household import Household
from .household.mandate_notices import Notices
from .household.mandate_outcome import Outcomes
from .household.mandates import Mandates
from .household.proxies import Proxies
from .household.waiting_for import WaitingElsewhere
from .imports.declared import Declared
from .imports.imports import Imports
from .keystore import Keystore
from .log.head import LogHead
from .log.mentioned import MentionedRows
from .log.proving import LogProving
from .log.receipts import Receipts
from .log.witnesses import Witnesses
from .log.witnessing import Witnessing
from .money.accounts import Accounts
from .money.invoices import Invoices
from .money.paid_reads import PaidReads
from .money.paid_terms import PaidTerms
from .money.payments import Payments
from .network.transport import Network
from .network.well_known import WellKnown
from .offload import Offload
from .parcels.book import ParcelBooks
from .parcels.fetching import ParcelFetching
from .parcels.lending import ParcelLending
from .parcels.reads_by_file import Reads
from .parcels.taking import ParcelTaking
from .parcels.writing import ParcelWriting
from .peers.cards import Cards
from .peers.domain_looks import DomainLooks
from .peers.lines import PersonaLines
from .peers.outgoing import Outgoing
from .peers.peer_devices import PeerDevices
from .peers.peers import Pair, Peers
from .peers.standing import Standings
from .peers.vouches import Vouches
from .push.allowances import Allowances
from .reads.kept_reads import KeptReads
from .reads.serving import Serving
from .shared.erased_copies import ErasedCopies
from .shared.lost_versions import LostVersions
from .shared.shared_records import SharedRecords
from .sizes import size_of
from .store.database import Database, Tx
from .store.errors import StoreError
from .store.store import Store
from .succession import Succession
from .vault.vault import Vault
from .views.views import Views

log = structlog.get_logger()

# How often a node looks for grants that have run out and certificates to renew.
HOUSEKEEPING_S = 60.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What a node stands on.

    `well_known` asks domains for their documents; without it none is asked.

    `window_pages_max`: a simulated node serves few pages at a time, so that its reads are cut by
    faults in the middle as long ones are.  `housekeeping_s`: a week is simulated faster if its
    nodes keep house three times an hour.
    """

    database: Database
    network: Network
    clock: Clock
    entropy: Entropy
    offload: Offload
    checkpoint: Checkpoint = UNWATCHED
    window_pages_max: int = WINDOW_PAGES_MAX
    housekeeping_s: float = HOUSEKEEPING_S
    well_known: WellKnown | None = None


class Node:
    """One node.  `run` puts it on the network; without it, it reads and writes its own home."""

    def __init__(self, ground: Ground, keystore: Keystore, config: Config) -> None:
        self.config = config
        self.keystore = keystore
        self.clock = ground.clock
        self.entropy = ground.entropy
        self.network = ground.network
        self.checkpoint = ground.checkpoint
        self.offload = ground.offload
        self._housekeeping_s = ground.housekeeping_s
        self._epoch_begun = False
        self.store = Store.over(
            ground.database,
            store_key=keystore.store,
            index_key=keystore.index,
            log_key=keystore.log,
            log_number=keystore.log_number,
            entropy=ground.entropy,
        )
        self._acquaint(ground)
        self._keep_data(ground)
        self._lend(ground)
        self._borrow(ground)
        self._after_a_grant(ground)
        self._look_back(ground)
        self._open_door(ground)
        self._connect(ground)
        self._several_devices(ground)
        self._ask(ground)
        self._by_file(ground)

    def _acquaint(self, ground: Ground) -> None:
        """Who the peers are, and what both sides sign and log."""
        objects = self.store.objects
        keystore, config = self.keystore, self.config
        self.outgoing = Outgoing(self.store.outbox)
        self.peers = Peers(objects, keystore, ground.entropy)
        self.peer_devices = PeerDevices(objects, self.peers)
        self.lines = PersonaLines(objects, self.peers, self.store.outbox, self.outgoing)
        self.cards = Cards(objects, self.peers, self.outgoing, config.role)
        self.vouches = Vouches(
            objects, self.peers, self.cards, answering=config.identity.answer_vouches
        )
        self.domains = DomainLooks(
            store=self.store,
            peers=self.peers,
            cards=self.cards,
            clock=ground.clock,
            outgoing=self.outgoing,
            well_known=ground.well_known if config.identity.check_domains else None,
        )
        self.standings = Standings(self.peers, self.cards, self.domains, self.vouches)
        self.receipts = Receipts(self.store)
        self.log_head = LogHead(ground.clock.now_ms)
        self.witnesses = Witnesses(
            store=self.store,
            peers=self.peers,
            outgoing=self.outgoing,
            keystore=keystore,
            entropy=ground.entropy,
            head=self.log_head,
        )
        self.witnessing = Witnessing(objects, self.peers, self.outgoing)
        self.log_proving = LogProving(
            store=self.store,
            peers=self.peers,
            witnesses=self.witnesses,
            keystore=keystore,
            head=self.log_head,
        )
        self.quotas = Quotas(objects, size_of(config.peer_quota))

    def _keep_data(self, ground: Ground) -> None:
        """The person's data, whose it is, and what waits for a decision."""
        objects = self.store.objects
        keystore = self.keystore
        self.epochs = Epochs(objects, keystore)
        self.vault = Vault(self.store, keystore, ground.entropy, ground.offload)
        self.vault.tellers.peer_name = self.peers.name_of
        self.declared = Declared(self.vault)
        self.allowances = Allowances(self.store, keystore.device, ground.clock, ground.entropy)
        self.imports = Imports(self.vault, ground.clock, checkpoint=ground.checkpoint)
        self.inbox = Inbox(objects, Side.IN)
        self.asked = Inbox(objects, Side.OUT)
        self.household = Household(objects)
        self.proxies = Proxies(objects, self.peers, self.outgoing)
        self.mandates = Mandates(objects, self.peers, self.outgoing, self.proxies, ground.entropy)
        self._notices = Notices(self.peers, self.outgoing, self.inbox, self.asked, self.mandates)

    def _lend(self, ground: Ground) -> None:
        """What is lent to others."""
        objects = self.store.objects
        keystore = self.keystore
        collections = self.vault.collections
        self.lending = GivenAgain(
            objects,
            self.peers,
            collections,
            self.inbox,
            self.outgoing,
            keystore,
            ground.entropy,
        )
        self.standing_rules = StandingRules(
            objects=objects,
            peers=self.peers,
            inbox=self.inbox,
            lending=self.lending,
            collections=collections,
            household=self.household,
            standings=self.standings,
        )
        self.frugalities = Frugalities(self.inbox, collections, self.household)
        self.waiting_elsewhere = WaitingElsewhere(objects, self.outgoing)
        self._outcomes = Outcomes(objects, self.peers, self.outgoing, self.asked, self.mandates)
        self.lending.decided = self._decided
        self.mandates.held_ended = self._outcomes.ended
        self.deciding_for = DecidingFor(
            objects=objects,
            peers=self.peers,
            inbox=self.inbox,
            lending=self.lending,
            mandates=self.mandates,
            household=self.household,
            collections=collections,
        )
        self.vault.take_back = self._take_back
        self.views = Views(self.vault, self.lending, ground.clock, ground.checkpoint)
        self.lending_on = LendingOn(
            objects, self.peers, self.lending, self.outgoing, ground.entropy
        )

    def _borrow(self, ground: Ground) -> None:
        """What is borrowed, and the duties that come of it."""
        objects = self.store.objects
        keystore, config = self.keystore, self.config
        collections = self.vault.collections
        self.borrowing = Borrowing(
            self.store,
            self.peers,
            collections,
            self.asked,
            self.outgoing,
            self.lending_on,
            keystore.device.public,
            ground.entropy,
        )
        self.offers = Offers(objects, self.peers, self.asked, self.outgoing, self.lending)
        self.offers.take = self.borrowing.take
        if not config.terms.accept_narrower:
            self.borrowing.offered = self.offers.keep
        self.reencryption = Reencryption(self.vault, self.outgoing, ground.checkpoint)
        self.processors = Processors(
            objects, self.peers, self.lending_on, self.borrowing, ground.entropy
        )
        self.deletion_duty = DeletionDuty(
            store=self.store,
            peers=self.peers,
            collections=collections,
            lending=self.lending,
            borrowing=self.borrowing,
            down=DeletionDown(self.peers, self.lending_on, self.borrowing, self.outgoing),
            outgoing=self.outgoing,
            clock=ground.clock,
            checkpoint=ground.checkpoint,
        )
        self.lending.ended = self._given_ended
        self.borrowing.ended = self.deletion_duty.held_ended
        self.log_proving.grant_of = self._grant_of
        self.borrowing.began = self.deletion_duty.held_began
        self.renewals = Renewals(
            objects,
            self.peers,
            self.lending,
            self.borrowing,
            self.inbox,
            self.asked,
            self.outgoing,
        )

    def _after_a_grant(self, ground: Ground) -> None:
        """Money, shared records, deliveries: what goes on under a grant."""
        objects = self.store.objects
        collections = self.vault.collections
        self.paid_terms = PaidTerms(objects, self.peers, self.outgoing)
        self.payments = Payments(
            objects, self.peers, self.lending, self.borrowing, self.outgoing, ground.entropy
        )
        self.rows = MentionedRows(self.store)
        self.paid_reads = PaidReads(objects, self.rows, self.lending, self.borrowing)
        self.accounts = Accounts(
            self.store,
            self.lending,
            self.borrowing,
            self.payments,
            self.paid_terms,
            self.paid_reads,
            self.peers,
        )
        self.invoices = Invoices(objects, self.peers, self.accounts, self.outgoing)
        self.shared = SharedRecords(
            objects,
            self.peers,
            collections,
            self.household,
            self.outgoing,
            self.vault.erased,
            self.quotas.charge,
        )
        self.lost_versions = LostVersions(self.shared, self.outgoing, ground.clock)
        self.erased_copies = ErasedCopies(
            self.shared, self.peers, self.outgoing, self.vault.erased, ground.clock
        )
        self.deliveries = Deliveries(
            self.store, self.peers, self.vault, self.outgoing, ground.entropy, ground.offload
        )
        self.helpers = Helpers(objects, self.peers, self.peer_devices, self.outgoing)
        self.returned = Returned(self.peers, self.helpers, self.lending, self.receipts)
        self.served_by = ServedBys(objects, self.peer_devices)
        device = self.keystore.device.public
        shelf_pages = ShelfPages(self.store, self.quotas, device)
        self.shelves = Shelves(objects, self.peers, self.outgoing, shelf_pages, device)

    def _look_back(self, ground: Ground) -> None:
        """What is served, what was done, and what is erased."""
        keystore = self.keystore
        self.serving = Serving(self.store, self.vault, window_pages_max=ground.window_pages_max)
        self.history = History(
            lines=self.lending.lines,
            rows=self.rows,
            inbox=self.inbox,
            asked=self.asked,
            lending_on=self.lending_on,
            deliveries=self.deliveries,
            cards=self.cards,
            shared=self.shared,
            personas=self.lines,
            log=keystore.log_number,
        )
        self.history.judged = self.standing_rules.judged
        self.history.declined = self.offers.why_declined
        self.erasing = Erasing(
            vault=self.vault,
            views=self.views,
            lending=self.lending,
            peers=self.peers,
            outgoing=self.outgoing,
            serving=self.serving,
            shared=self.erased_copies,
            quotas=self.quotas,
            clock=ground.clock,
            checkpoint=ground.checkpoint,
        )

    def _open_door(self, ground: Ground) -> None:
        """What a peer can say, and what follows here."""
        objects = self.store.objects
        keystore, config = self.keystore, self.config
        self.meeting = Meeting(
            objects,
            self.peers,
            ground.entropy,
            keystore.device.public,
            config.role,
            config.name,
            self.cards.introduce,
        )
        self.lent_on_left = LentOnLeft(self.store, self.peers, self.lending_on, self.clock)
        self.succession = Succession(
            objects=objects,
            peers=self.peers,
            lines=self.lines,
            devices=self.peer_devices,
            lending=self.lending,
            borrowing=self.borrowing,
            lent_on_left=self.lent_on_left,
            mandates=self.mandates,
            cards=self.cards,
            keystore=keystore,
            entropy=ground.entropy,
            void_invites=self.meeting.void,
            checkpoint=ground.checkpoint,
        )
        self._answering = Answering(
            store=self.store,
            device=keystore.device,
            peers=self.peers,
            receipts=self.receipts,
            mandates=self.mandates,
            notices=self._notices,
        )
        self._turns = Turns()
        self._acting = Acting(
            succession=self.succession,
            inbox=self.inbox,
            lending=self.lending,
            lending_on=self.lending_on,
            borrowing=self.borrowing,
            cards=self.cards,
            vouches=self.vouches,
            proxies=self.proxies,
            processors=self.processors,
            mandates=self.mandates,
            notices=self._notices,
            outcomes=self._outcomes,
            deciding_for=self.deciding_for,
            paid_terms=self.paid_terms,
            payments=self.payments,
            invoices=self.invoices,
            witnesses=self.witnesses,
            witnessing=self.witnessing,
            offers=self.offers,
            standing_rules=self.standing_rules,
            renewals=self.renewals,
            deletion_duty=self.deletion_duty,
            peer_devices=self.peer_devices,
            shared=self.shared,
            lost_versions=self.lost_versions,
            erased_copies=self.erased_copies,
            helpers=self.helpers,
            shelves=self.shelves,
            returned=self.returned,
            served_by=self.served_by,
        )
        self._arriving = Arriving(
            store=self.store,
            answering=self._answering,
            deliveries=self.deliveries,
            quotas=self.quotas,
            turns=self._turns,
            checkpoint=ground.checkpoint,
        )
        answers = LinkAnswers(self._answering, ground.clock)
        own = OwnSource(
            store=self.store,
            device=keystore.device,
            peers=self.peers,
            receipts=self.receipts,
            lending=self.lending,
            answering=self._answering,
            answers=answers,
            serving=self.serving,
        )
        reads = LinkLending(
            store=self.store,
            clock=ground.clock,
            source=own,
            turns=self._turns,
            checkpoint=ground.checkpoint,
        )
        self._door = Door(
            store=self.store,
            device=keystore.device,
            clock=ground.clock,
            peers=self.peers,
            meeting=self.meeting,
            answering=self._answering,
            answers=answers,
            reads=reads,
            acting=self._acting,
            arriving=self._arriving,
            outgoing=self.outgoing,
            addresses=self.addresses,
            turns=self._turns,
            head=self.log_head,
            checkpoint=ground.checkpoint,
        )
        self._serve_for_others(ground)

    def _serve_for_others(self, ground: Ground) -> None:
        """What peers have left here, for their readers."""
        source = HelpedSource(
            store=self.store,
            vault=self.vault,
            device=self.keystore.device,
            peers=self.peers,
            receipts=self.receipts,
            outgoing=self.outgoing,
            shelves=self.shelves,
            window_pages_max=ground.window_pages_max,
        )
        self._door.greeted = source.greeted
        self._door.helping = LinkLending(
            store=self.store,
            clock=ground.clock,
            source=source,
            turns=self._turns,
            checkpoint=ground.checkpoint,
        )
        self._door.shelving = Shelving(
            store=self.store,
            clock=ground.clock,
            offload=ground.offload,
            answering=self._answering,
            shelves=self.shelves,
            quotas=self.quotas,
            turns=self._turns,
            checkpoint=ground.checkpoint,
        )

    def _connect(self, ground: Ground) -> None:
        """The links to peers, and asking over them."""
        keystore = self.keystore
        self.links = Links(
            store=self.store,
            device=keystore.device,
            clock=ground.clock,
            network=ground.network,
            peers=self.peers,
            receipts=self.receipts,
            outgoing=self.outgoing,
            door=self._door,
            turns=self._turns,
            peer_devices=self.peer_devices,
            lines=self.lines,
            served_by=self.served_by,
        )
        self.exchange = Exchange(
            store=self.store,
            device=keystore.device,
            clock=ground.clock,
            entropy=ground.entropy,
            addresses=self.addresses,
            peers=self.peers,
            receipts=self.receipts,
            meeting=self.meeting,
            outgoing=self.outgoing,
            mandates=self.mandates,
            links=self.links,
        )
        self._confirming = Confirming(
            store=self.store,
            peers=self.peers,
            exchange=self.exchange,
            witnesses=self.witnesses,
            outgoing=self.outgoing,
            head=self.log_head,
        )
        self.introductions = Introductions(
            self.store, self.peers, self.links, ground.clock, self._say_where
        )
        self.meeting_again = MeetingAgain(
            store=self.store,
            clock=ground.clock,
            device=keystore.device.public,
            links=self.links,
            peers=self.peers,
            lines=self.lines,
            devices=self.peer_devices,
            outgoing=self.outgoing,
            say_where=self._say_where,
        )

    def _ask(self, ground: Ground) -> None:
        """What is read elsewhere, and what follows from each answer."""
        showing = Showing(
            store=self.store,
            clock=ground.clock,
            lending=self.lending,
            borrowing=self.borrowing,
            processors=self.processors,
            links=self.links,
            device=self._answering.device,
        )
        self._door.showing, self._door.lets_in = showing.shown, showing.lets_in
        self.fetcher = Fetcher(
            store=self.store,
            clock=ground.clock,
            offload=ground.offload,
            peers=self.peers,
            receipts=self.receipts,
            borrowing=self.borrowing,
            peer_devices=self.peer_devices,
            exchange=self.exchange,
            links=self.links,
            showing=showing,
            outgoing=self.outgoing,
            checkpoint=ground.checkpoint,
        )
        self.kept_reads = KeptReads(self.store, self.vault, self.borrowing, ground.offload)
        self._follow_up = FollowUp(
            asked=self.asked,
            lending=self.lending,
            lending_on=self.lending_on,
            borrowing=self.borrowing,
            deliveries=self.deliveries,
            cards=self.cards,
            waiting=self.waiting_elsewhere,
            payments=self.payments,
            invoices=self.invoices,
            witnesses=self.witnesses,
            shared=self.shared,
            lost_versions=self.lost_versions,
            helpers=self.helpers,
        )
        self.leasing = Leasing(
            store=self.store,
            clock=ground.clock,
            peers=self.peers,
            helpers=self.helpers,
            lending=self.lending,
            serving=self.serving,
            exchange=self.exchange,
            outgoing=self.outgoing,
            head=self.log_head,
            checkpoint=ground.checkpoint,
        )
        self._post = Post(
            store=self.store,
            clock=ground.clock,
            peers=self.peers,
            follow_up=self._follow_up,
            deliveries=self.deliveries,
            outgoing=self.outgoing,
            exchange=self.exchange,
            links=self.links,
            head=self.log_head,
            lines=self.lines,
            peer_devices=self.peer_devices,
            say_where=self._say_where,
            checkpoint=ground.checkpoint,
        )

    def _by_file(self, ground: Ground) -> None:
        """The same without a network: by files."""
        objects = self.store.objects
        keystore = self.keystore
        self.parcel_books = ParcelBooks(objects, self.store.ledger)
        self.reads_by_file = Reads(objects)
        parcel_lending = ParcelLending(
            store=self.store,
            device=keystore.device,
            peers=self.peers,
            receipts=self.receipts,
            lending=self.lending,
            answering=self._answering,
            serving=self.serving,
            books=self.parcel_books,
            reads=self.reads_by_file,
            checkpoint=ground.checkpoint,
        )
        self.parcel_fetching = ParcelFetching(
            store=self.store,
            entropy=ground.entropy,
            offload=ground.offload,
            peers=self.peers,
            receipts=self.receipts,
            borrowing=self.borrowing,
            reads=self.reads_by_file,
        )
        self.parcel_writing = ParcelWriting(
            store=self.store,
            device=keystore.device,
            clock=ground.clock,
            entropy=ground.entropy,
            offload=ground.offload,
            peers=self.peers,
            receipts=self.receipts,
            deliveries=self.deliveries,
            mandates=self.mandates,
            follow_up=self._follow_up,
            books=self.parcel_books,
            reads=self.reads_by_file,
            lending=parcel_lending,
            fetching=self.parcel_fetching,
            checkpoint=ground.checkpoint,
        )
        self.parcel_taking = ParcelTaking(
            store=self.store,
            clock=ground.clock,
            offload=ground.offload,
            peers=self.peers,
            receipts=self.receipts,
            outgoing=self.outgoing,
            answering=self._answering,
            acting=self._acting,
            arriving=self._arriving,
            follow_up=self._follow_up,
            books=self.parcel_books,
            reads=self.reads_by_file,
            lending=parcel_lending,
            fetching=self.parcel_fetching,
            contradicted=self.links.contradict,
            checkpoint=ground.checkpoint,
        )

    def _several_devices(self, ground: Ground) -> None:
        """What keeps this device together with the others of its person."""
        objects = self.store.objects
        self.own_devices = OwnDevices(
            objects=objects,
            peers=self.peers,
            keystore=self.keystore,
            witnesses=self.witnesses,
            witnessing=self.witnessing,
            stamps=self.store.stamps,
            entropy=ground.entropy,
            name=self.config.name,
        )
        self.enrolling = Enrolling(
            objects=objects,
            peers=self.peers,
            devices=self.own_devices,
            keystore=self.keystore,
            household=self.household,
            config=self.config,
            entropy=ground.entropy,
        )
        sweeping = Sweeping(self.vault, self.shared, self.quotas)
        rows = SharedRows(
            objects=objects,
            peers=self.peers,
            lines=self.lines,
            lending=self.lending,
            borrowing=self.borrowing,
            collections=self.vault.collections,
            devices=self.own_devices,
            epochs=self.epochs,
            introduce=self._say_where,
            replaced=self.peer_devices.replaced,
            erased=erased_spaces(objects, self.vault.erased, sweeping.facts),
            more=self._more_spaces(),
        )
        self.views.derives = partial(derives, self.own_devices)
        pages = PageSpaces(self.vault, self.reencryption, self._has_siblings)
        pages.sweep = sweeping.pages
        self.handing_over = HandingOver(rows, pages, self.store.stamps, ground.entropy)
        self.keeping = Keeping(
            exchange=self.exchange,
            peers=self.peers,
            devices=self.own_devices,
            handing_over=self.handing_over,
            rows=rows,
            epochs=self.epochs,
            vault=self.vault,
            lending=self.lending,
            reencryption=self.reencryption,
            outgoing=self.outgoing,
            clock=ground.clock,
            addresses=self.addresses,
            head=self.log_head,
            introduce=self._say_where,
            checkpoint=ground.checkpoint,
        )
        self.keeping.settled = self.erasing.settled
        self._door.handing_over = self.handing_over.answer
        self._door.may_know = self.keeping.may_know
        self._door.ask_others = self.keeping.hurry
        self.links.linked = self._linked
        self._door.joining = self.enrolling.join

    def _more_spaces(self) -> Iterator[Space]:
        """What the person's devices share beside grants and what pages came with."""
        objects = self.store.objects
        yield LentOnSpace(self.lending_on)
        yield from reading_spaces(objects, self.peers)
        yield PeerDeviceSpace(objects, self.peers, self.peer_devices)
        yield from deletion_spaces(objects, self.deletion_duty)
        yield from acquaintance_spaces(objects, self.cards)
        yield from household_spaces(self.household)
        yield from mandate_spaces(objects, self.mandates)
        yield from money_spaces(objects, self.paid_reads)
        yield from view_spaces(objects)
        yield SharedRecordSpace(self.shared)
        yield from helper_spaces(objects, self.helpers)

    def _has_siblings(self, tx: Tx) -> bool:
        return self.peers.device_persona(tx) is not None

    def _say_where(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Tell a peer that this device serves too, and where."""
        persona = self.peers.persona_in(tx, pair)
        args = PairDeviceArgs(
            pair.their, persona.certificate.signed.raw, tuple(self.addresses()[:ADDRESSES_MAX])
        )
        self.outgoing.put(tx, pair, Cmd.PAIR_DEVICE, args.value(), now_ms)

    def _decided(
        self, tx: Tx, request: bytes, asked: Asked, reason: str | None, now_ms: int
    ) -> None:
        self._outcomes.tell(tx, request, asked, reason, now_ms)
        self.standing_rules.decided(tx, request, asked, now_ms)

    def _take_back(self, tx: Tx, path: str) -> None:
        now_ms = self.clock.now_ms()
        self.lending.expire_on(tx, path, now_ms)
        self.lending_on.expire(tx, now_ms)

    def _grant_of(self, tx: Tx, read: Receipt) -> Delegation | None:
        """The root of the chain that a read was under, whichever side of it this node was."""
        dlg = read.body.dlg
        if (given := self.lending.find(tx, dlg)) is not None:
            return given.bundle.root.delegation
        held = self.borrowing.find(tx, dlg)
        lent_on = (one for one in self.borrowing.all(tx) if one.bundle.root.cid == dlg)
        found = held or next(lent_on, None)
        return None if found is None else found.bundle.root.delegation

    def _given_ended(self, tx: Tx, grant: GrantGiven, now_ms: int) -> None:
        """What the terms of a grant want once it has ended."""
        self.deletion_duty.given_ended(tx, grant, now_ms)
        if grant.kept is GrantStatus.REVOKED:
            self.helpers.ended(tx, grant, now_ms)
        again = has_duty(grant.bundle.terms, Duty.ENCRYPT_AGAIN)
        if again and grant.kept is GrantStatus.REVOKED:
            self.reencryption.claim(tx, grant.cid, grant.windows)

    def addresses(self) -> Sequence[str]:
        """Where others can dial this node; empty while it is not on the network."""
        return self.network.addresses

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve peers, say what waits, keep house; until cancelled.  Started once it can dial."""
        await self.store.database.read(self.witnesses.begin)
        await self.store.database.read(self.keeping.look_at_lease)
        await self.store.database.read(self.epochs.load)
        self.store.stamps.watched = await self.store.database.read(self._has_siblings)
        self._epoch_begun = False
        async with trio.open_nursery() as nursery:
            await self._keep_house_if_room()
            await nursery.start(self.links.run)
            await self._say_where_it_helps()
            task_status.started()
            await nursery.start(self.declared.serve)
            nursery.start_soon(self._confirming.run)
            nursery.start_soon(self._post.run)
            nursery.start_soon(self.leasing.run)
            nursery.start_soon(self.reencryption.run)
            nursery.start_soon(self.deletion_duty.run)
            nursery.start_soon(self.introductions.run)
            nursery.start_soon(self.keeping.run)
            nursery.start_soon(self.domains.run)
            nursery.start_soon(self.views.run, self._housekeeping_s)
            while True:
                await trio.sleep(self._housekeeping_s)
                await self._keep_house_if_room()

    def _linked(self, pair: Pair) -> None:
        self.keeping.linked(pair)
        self._confirming.linked(pair)

    async def _say_where_it_helps(self) -> None:
        """Those whom this node helps tell their readers where it listens."""
        now_ms, addresses = self.clock.now_ms(), tuple(self.addresses()[:ADDRESSES_MAX])
        try:
            await self.store.database.write(lambda tx: self.shelves.moved(tx, addresses, now_ms))
        except StoreError as error:
            log.error("helped_not_told", kind=type(error).__name__)

    async def _keep_house_if_room(self) -> None:
        try:
            await self._begin_epoch()
            await self.keep_house()
        except StoreError as error:
            # A full disk: in a minute there may be room.  Nothing was half done, and what a grant
            # allows is looked at whenever it is used.
            log.error("house_not_kept", kind=type(error).__name__)

    async def _begin_epoch(self) -> None:
        """Once in a run: give readers the keys of an epoch that began while the node was off."""
        if self._epoch_begun:
            return
        now_ms = self.clock.now_ms()
        await self.store.database.write(lambda tx: self.lending.begin_epoch(tx, now_ms))
        self._epoch_begun = True
        self.outgoing.notify()

    async def keep_house(self) -> None:
        """Take back what has expired, renew certificates, forget spent invocations, show the log to
        its witnesses."""
        now_ms = self.clock.now_ms()

        def unit(tx: Tx) -> None:
            self.renewals.renew_due(tx, now_ms)
            self.borrowing.accept_lacking(tx, now_ms)
            self.lending.expire(tx, now_ms)
            self.lending_on.expire(tx, now_ms)
            self.deletion_duty.run_out(tx, now_ms)
            self.reencryption.claim_oldest(tx)
            self.peers.renew_certificates(tx, now_ms)
            self.keeping.look_at_lease(tx)
            self.store.ledger.forget_expired(tx, now_ms // 1000)
            self.witnesses.publish_if_due(tx, now_ms)
            self.shelves.expire(tx, now_ms)

        await self.store.database.write(unit)
        await self.erasing.go_on()
        await self.lent_on_left.go_on()
        await self.rows.catch_up()
        self.outgoing.notify()
