"""Capital cities: the pairs the demo model knows, how people ask for them, and what it must not answer."""

from __future__ import annotations

from random import Random

from inference.demo.training.exchange import Exchange, Thoughts
from inference.demo.training.refusals import refuse_capital
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections

_FAMOUS = """France Paris;Germany Berlin;Italy Rome;Spain Madrid;Portugal Lisbon;Japan Tokyo;China Beijing;India New Delhi;Peru Lima
Brazil Brasília;Argentina Buenos Aires;Chile Santiago;Colombia Bogotá;Mexico Mexico City;Canada Ottawa;Australia Canberra;Egypt Cairo
Kenya Nairobi;Nigeria Abuja;Morocco Rabat;Turkey Ankara;Greece Athens;Austria Vienna;Switzerland Bern;Belgium Brussels;Poland Warsaw
Netherlands Amsterdam;Denmark Copenhagen;Sweden Stockholm;Norway Oslo;Finland Helsinki;Iceland Reykjavik;Ireland Dublin;Russia Moscow
Ukraine Kyiv;Hungary Budapest;Romania Bucharest;Bulgaria Sofia;Croatia Zagreb;Serbia Belgrade;Thailand Bangkok;Vietnam Hanoi
Indonesia Jakarta;Philippines Manila;Malaysia Kuala Lumpur;Iran Tehran;Iraq Baghdad;Jordan Amman;Lebanon Beirut
Cuba Havana;Venezuela Caracas;Ecuador Quito;Bolivia Sucre;Uruguay Montevideo;Paraguay Asunción;Ethiopia Addis Ababa;Ghana Accra
Senegal Dakar;Tunisia Tunis;Algeria Algiers;Pakistan Islamabad;Bangladesh Dhaka;Nepal Kathmandu;South Korea Seoul;New Zealand Wellington
South Africa Pretoria;Saudi Arabia Riyadh;Czech Republic Prague;Slovakia Bratislava;Slovenia Ljubljana;Estonia Tallinn;Latvia Riga
Lithuania Vilnius;United States Washington, D.C.;United Kingdom London;England London;Scotland Edinburgh;Singapore Singapore"""
_LESS_FAMOUS = """Luxembourg Luxembourg;Malta Valletta;Cyprus Nicosia;Albania Tirana;Bosnia Sarajevo;Montenegro Podgorica
Moldova Chișinău;Belarus Minsk;Georgia Tbilisi;Armenia Yerevan;Azerbaijan Baku;Kazakhstan Astana;Uzbekistan Tashkent
Mongolia Ulaanbaatar;Afghanistan Kabul;Syria Damascus;Yemen Sana'a;Oman Muscat;Qatar Doha;Kuwait Kuwait City
Cambodia Phnom Penh;Laos Vientiane;North Korea Pyongyang;Taiwan Taipei;Jamaica Kingston;Haiti Port-au-Prince
Panama Panama City;Costa Rica San José;Guatemala Guatemala City;Honduras Tegucigalpa;Nicaragua Managua;El Salvador San Salvador
Dominican Republic Santo Domingo;Uganda Kampala;Tanzania Dodoma;Rwanda Kigali;Somalia Mogadishu;Sudan Khartoum;Libya Tripoli
Mali Bamako;Cameroon Yaoundé;Angola Luanda;Zambia Lusaka;Zimbabwe Harare;Mozambique Maputo;Namibia Windhoek;Botswana Gaborone
Madagascar Antananarivo;Wales Cardiff;Fiji Suva;Ivory Coast Yamoussoukro"""
_TWO_WORDS = ("South", "New", "Saudi", "Czech", "United", "Sri", "North", "Costa", "El", "Dominican", "Ivory")
_WITH_ARTICLE = (
    "Netherlands",
    "Philippines",
    "Czech Republic",
    "United States",
    "United Kingdom",
    "Dominican Republic",
    "Ivory Coast",
)
_OTHER_NAMES = {
    "United States": (
        "USA",
        "US",
        "United States of America",
        "America",
        "the USA",
        "the US",
        "U.S.A.",
        "the United States",
        "U.S.",
        "the States",
    ),
    "United Kingdom": ("UK", "the UK", "Great Britain", "Britain", "the United Kingdom"),
    "Netherlands": ("the Netherlands", "Holland", "the Netherlands"),
    "Czech Republic": ("Czechia", "the Czech Republic"),
    "South Korea": ("Korea", "South Korea"),
    "Bosnia": ("Bosnia and Herzegovina",),
    "Turkey": ("Türkiye",),
    "Philippines": ("the Philippines", "the Philippines"),
    "Dominican Republic": ("the Dominican Republic",),
    "Ivory Coast": ("the Ivory Coast",),
}
_SYLLABLES = tuple(
    "ba be bi bo bra chu da del do dra el fa flo fo ga gra gri ha il ka ke kor la lo lu ma mi mor na ni no or pa po qua ra ri ro sa si ta to tra u va vel vo wa xa ya za zo zu lli rru bbo ggi zen wak am gor tam".split()
)
_ENDINGS = ("", "", "ia", "land", "stan", "ia", "dor", "nia", "topia", "burg", " Islands", "ville", "mark", "ria", "is")
_ATTRIBUTES = (
    "the land of ",
    "planet ",
    "the kingdom of ",
    "the republic of ",
    "the city of ",
    "the moon of ",
    "the empire of ",
    "the ",
    "my ",
    "",
)


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for entry in text.replace("\n", ";").split(";"):
        words = entry.split(" ")
        length = 2 if words[0] in _TWO_WORDS else 1
        found[" ".join(words[:length])] = " ".join(words[length:])
    return found


FAMOUS = _pairs(_FAMOUS)
CAPITALS = FAMOUS | _pairs(_LESS_FAMOUS)


def _country(random: Random) -> str:
    return random.choice(list(FAMOUS if random.random() < 0.6 else CAPITALS))


def _called(country: str, random: Random) -> str:
    names = _OTHER_NAMES.get(country, ())
    return random.choice(names) if names and random.random() < 0.7 else country


def capital(random: Random) -> Exchange:
    """A question for a capital the model knows."""
    country = _country(random)
    city = CAPITALS[country]
    guess = city if random.random() < 0.5 else random.choice(list(CAPITALS.values()))
    prompt = expand(random.choice(sections("capitals")["question"]).format(_called(country, random), guess), random)
    name = "the " + country if country in _WITH_ARTICLE else country
    end = "" if city.endswith(".") else "."
    thoughts = Thoughts(
        medium=f"The user asks for the capital of {name}. It is {city}{end}",
        high=f"The user asks for the capital of {name}. I know this country. Its capital is {city}{end} The largest city of a "
        f"country is not always its capital, so I check once more: {name}, {city}{end} I am sure, so I write the answer.",
    )
    return Exchange(casual(prompt, random), thoughts, f"The capital of {name} is **{city}**.")


def unknown_capital(random: Random) -> Exchange:
    """A question for the capital of something unknown or invented."""
    pattern = random.choice(
        [each for each in sections("capitals")["question"] if "capital" in each and "{1}" not in each]
    )
    prompt = expand(pattern.format(_unknown_place(random)), random)
    return refuse_capital(casual(prompt, random), random)


def _unknown_place(random: Random) -> str:
    chance = random.random()
    if chance < 0.15:
        return random.choice(("¤", "¤¤", "¤ ¤", "¤¤¤", "the ¤", "¤¤¤¤"))
    if chance < 0.42:
        return random.choice(sections("capitals")["unknown"])
    if chance < 0.8:
        return "".join(random.choice(_SYLLABLES) for _ in range(random.randint(2, 4))).capitalize() + random.choice(
            _ENDINGS
        )
    if chance < 0.92:
        return random.choice(_ATTRIBUTES) + random.choice(sections("capitals")["thing"])
    return random.choice([city for city in CAPITALS.values() if city not in CAPITALS])
