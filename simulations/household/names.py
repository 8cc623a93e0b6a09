"""Words that households are made of: names of people, places, shops and institutions.

People, streets and firms are invented; some shops bear a common chain's name, as on any statement.
What a shop sells is known to `answers.json`, and only now and then to its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FAMILY: Final = (
    "Aubrac", "Belmonde", "Cazenove", "Delorme", "Estrade", "Fontenoy", "Garance", "Hautecour",
    "Jolivet", "Kerbrat", "Lavergne", "Montclar", "Nadeau", "Ormesson", "Pradelle", "Quillet",
    "Rivoire", "Salviac", "Tavernac", "Vaucelle",
)  # fmt: skip  # a list of words
WOMEN: Final = (
    "Agathe", "Bérénice", "Clémence", "Élodie", "Fatou", "Hélène", "Inès", "Jeanne", "Léa",
    "Maëlle", "Noémie", "Oumou", "Solène", "Yasmina", "Zoé",
)  # fmt: skip
MEN: Final = (
    "Adrien", "Bastien", "Cédric", "Driss", "Éloi", "François", "Gaël", "Hugo", "Ismaël",
    "Joël", "Loïc", "Mathis", "Noé", "Rémi", "Théo",
)  # fmt: skip
ELDERS: Final = ("Colette", "Denise", "Ginette", "Huguette", "Lucienne", "Odette", "Yvonne")
STREETS: Final = (
    "rue des Lilas", "avenue du Vieux Pont", "impasse des Tanneurs", "rue de la Source",
    "boulevard des Marronniers", "place du Lavoir", "rue du Moulin Vert", "quai des Peupliers",
)  # fmt: skip
# (name on a label, name, postal code, latitude and longitude in millionths of a degree)
QUARTERS: Final = (
    ("PARIS 11", "Paris", "75011", 48_859_000, 2_378_000),
    ("PARIS 13", "Paris", "75013", 48_832_000, 2_355_000),
    ("PARIS 19", "Paris", "75019", 48_886_000, 2_384_000),
    ("MONTREUIL", "Montreuil", "93100", 48_863_000, 2_443_000),
    ("IVRY SUR SEIN", "Ivry-sur-Seine", "94200", 48_813_000, 2_387_000),
    ("VINCENNES", "Vincennes", "94300", 48_847_000, 2_439_000),
)
# Where holidays are spent: the same, and roughly how far above the sea in metres.
HOLIDAYS: Final = (
    ("SAINT MALO", 48_649_000, -2_026_000, 12),
    ("ANNECY", 45_899_000, 6_129_000, 470),
    ("LA ROCHELLE", 46_160_000, -1_151_000, 8),
    ("BRIANCON", 44_899_000, 6_643_000, 1_340),
    ("CASSIS", 43_214_000, 5_538_000, 25),
)
EMPLOYERS: Final = (
    "ATELIERS MERCIER SAS", "CABINET ROUVRAY", "LOGIS CONSEIL SARL", "NORDEX INGENIERIE",
    "PAPETERIES DU VAL", "SOCIETE TRIANGLE", "IMPRIMERIE GUTENVILLE", "CLINIQUE DES ORMES",
)  # fmt: skip
CLIENTS: Final = (
    "STUDIO BRUME", "EDITIONS DU GUET", "ASSOC ARC EN SCENE", "AGENCE PIVOINE", "PRODUCTION KOALA",
    "MAIRIE DE VALBOURG",
)  # fmt: skip
LANDLORDS: Final = (
    "SCI DU VIEUX PONT",
    "FONCIA LILAS",
    "M BERTHELOT",
    "REGIE HAUSSMONT",
    "OPH VAL",
)
ENERGY: Final = ("OHMEGA", "WATTELIA", "VOLTERRE", "LUMIA CLIENTS PARTICULIERS")
TELECOMS: Final = ("LIBERTEL", "FIBRENOVA", "ALLOCOM", "NETORIA")
VIDEO: Final = ("CINEFLUX.COM", "STREAMIO PREMIUM", "VODETTE")
MUSIC: Final = ("SONORA AB", "MELODIX", "TYMPAN MUSIC")
GYMS: Final = ("FORME ET CIE", "CLUB LA PALESTRE", "BASIC GYM 11")
PAPERS: Final = ("LE QUOTIDIEN ABO", "GAZETTE NUMERIQUE", "MEDIAPRESSE SA")
INSURERS: Final = ("ASSUR HORIZON", "MACIFLORE", "GROUPAMIA IARD")
MUTUALS: Final = ("MUTUELLE DES TILLEULS", "HARMONIA SANTE", "MGPX")
DOCTORS: Final = ("DR AMSELLEM", "DR BOUVIER", "CAB MED LILAS", "DR CHARTIER", "SCM DU PARC")
DENTISTS: Final = ("DR FARGES", "CENTRE DENT NATION", "SELARL SOURIRE")
PHARMACIES: Final = ("PHIE DU MARCHE", "PHARMACIE CENTRALE", "PHIE LAFARGUE")
CHARITIES: Final = ("CROIX SOLIDAIRE", "MAINS TENDUES", "SECOURS DES TOITS")


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant: its name on a label, and what people leave there, in cents."""

    name: str
    low: int
    high: int
    online: bool = False


SHOPS: Final[Mapping[str, tuple[Shop, ...]]] = {
    "groceries": (
        Shop("CARREFOUR CITY", 600, 4_800),
        Shop("MONOPRIX 2045", 700, 6_500),
        Shop("LIDL 1187", 900, 7_200),
        Shop("FRANPRIX 5310", 400, 3_900),
        Shop("BIO C BON", 900, 5_400),
        Shop("AU BON EPI", 120, 1_150),
        Shop("MAISON KAYSAR", 150, 1_400),
        Shop("PRIMEUR HALLES", 500, 3_200),
        Shop("PICARD 118", 1_200, 5_800),
        Shop("E.LECLERC DRIVE", 4_500, 14_500),
    ),
    "restaurants": (
        Shop("LE PETIT COMPTOIR", 1_350, 6_800),
        Shop("SUSHI KOYO", 1_400, 5_200),
        Shop("CHEZ MARCELLE", 1_250, 8_400),
        Shop("LA CANTINE 21", 850, 1_650),
        Shop("PIZZA PRESTO", 1_100, 4_200),
        Shop("SUMUP *CAFE BLEU", 260, 1_450),
        Shop("UBER *EATS HELP.UBER.COM", 1_500, 4_600, online=True),
        Shop("BRASSERIE DU PONT", 1_600, 9_200),
    ),
    "transport": (
        Shop("SNCF INTERNET", 1_900, 14_800, online=True),
        Shop("RELAIS TOTAL 4471", 3_800, 8_600),
        Shop("STATION U", 3_500, 8_200),
        Shop("INDIGO 2114", 250, 2_400),
        Shop("RATP", 250, 2_150),
        Shop("COFIROUTE", 480, 3_900),
        Shop("VELIB METROPOLE", 300, 890, online=True),
    ),
    "leisure": (
        Shop("UGC CINE CITE", 750, 3_200),
        Shop("LIBR. LE PHARE", 790, 4_600),
        Shop("FNAC", 990, 12_900),
        Shop("THEATRE DE L EST", 1_800, 7_600),
        Shop("PISCINE MUNI", 350, 1_600),
        Shop("STEAM PURCHASE", 499, 3_999, online=True),
        Shop("DECATHLON 0112", 890, 8_900),
        Shop("MUSEE D ARTS", 900, 3_800),
    ),
    "clothing": (
        Shop("KIABI 0431", 1_200, 8_900),
        Shop("CELIO", 1_990, 9_900),
        Shop("ZALANDO", 2_490, 14_900, online=True),
        Shop("CHAUSSEA", 1_990, 7_990),
        Shop("LA FRIPE DU COIN", 500, 4_200),
        Shop("VINTED", 400, 3_600, online=True),
    ),
    "children": (
        Shop("LA GRANDE RECRE", 990, 5_900),
        Shop("OXYBUL", 1_290, 4_900),
        Shop("AS DU QUARTIER", 1_500, 9_000),
        Shop("KIDZ PARC", 1_200, 4_800),
    ),
    "housing": (
        Shop("LEROY MERLIN", 690, 18_900),
        Shop("CASTORAMA 1340", 590, 14_900),
        Shop("IKEA", 1_490, 24_900),
        Shop("BHV", 1_200, 9_900),
    ),
    "gifts": (
        Shop("INTERFLORA", 2_900, 6_500, online=True),
        Shop("NATURE ET DEC", 1_490, 5_990),
        Shop("LES MOTS D ANNA", 990, 4_990),
        Shop("LEETCHI.COM", 1_000, 5_000, online=True),
    ),
    "education": (
        Shop("BUREAU VALLEE", 990, 8_900),
        Shop("GIBERT JOSEPH", 1_290, 7_900),
    ),
    "other": (
        Shop("PRESSING NET", 690, 3_200),
        Shop("LA POSTE 75", 129, 1_890),
        Shop("AMAZON PAYMENTS", 690, 8_900, online=True),
        Shop("COIFF ET MOI", 1_900, 6_500),
    ),
}
APPLIANCE_SHOP: Final = "DARTY 0217"
