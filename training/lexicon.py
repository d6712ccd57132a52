"""Word lists: names, places, things, verbs. The mixture of all skills is built from these."""


def words_of(text: str) -> list[str]:
    """The words of `text`."""
    return text.split()


def parts_of(text: str) -> list[str]:
    """The parts of `text` between commas."""
    return [part.strip() for part in text.split(",")]


FIRST = words_of(
    "Ada Ben Carla Dan Elena Farid Grace Hugo Ines Jack Kira Liam Maria Noah Olga Pedro Quinn Rosa Sam Tara Uma "
    "Victor Wendy Xavier Yara Zoe Alice Bob Clara David Emma Felix Gina Henry Iris Jonas Karen Leo Mia Nina Oscar "
    "Paula Ravi Sara Tom Ursula Vera Walter Yusuf Amir Bella Chen Dora Erik Fatima George Hana Ivan Julia Kofi Lena "
    "Marco Nadia Omar Priya Rita Simon Tina Anna John Mary Peter Linda James Kate Lucas Sofia Max Eva Paul Laura"
)
LAST = words_of(
    "Adler Brown Costa Diaz Evans Fischer Garcia Hansen Ito Jones Klein Lopez Moore Novak Okafor Patel Quist Rossi "
    "Smith Tanaka Ueda Varga Weber Xu Young Zhang Baker Carter Dubois Egan Ford Green Hill Ivanov Kim Lee Martin "
    "Nolan Owens Park Reed Stone Turner Vance Wood Marsh Blake Cole Frost Hale King Lane Nash Page Shaw"
)
CITIES = parts_of(
    "Paris, London, Berlin, Madrid, Rome, Tokyo, Oslo, Vienna, Dublin, Lisbon, Prague, Athens, Cairo, Lima, Boston, "
    "Chicago, Denver, Seattle, Austin, Toronto, Sydney, Mumbai, Delhi, Seoul, Bangkok, Nairobi, Lagos, Helsinki, "
    "Warsaw, Zurich, Geneva, Milan, Munich, Hamburg, Lyon, Porto, Dubai, Istanbul, Beijing, Shanghai, Singapore, "
    "New York, San Francisco, Los Angeles, Mexico City, Buenos Aires, Cape Town, Hong Kong, Brussels, Amsterdam, "
    "Copenhagen, Stockholm, Budapest, Kyoto, Osaka, Montreal, Vancouver, Miami, Dallas, Houston"
)
CAPITALS = dict(
    x.split(":")
    for x in parts_of(
        "France:Paris, Germany:Berlin, Italy:Rome, Spain:Madrid, Portugal:Lisbon, Japan:Tokyo, "
        "China:Beijing, Norway:Oslo, "
        "Sweden:Stockholm, Finland:Helsinki, Denmark:Copenhagen, Austria:Vienna, Greece:Athens, "
        "Ireland:Dublin, Poland:Warsaw, "
        "Hungary:Budapest, Egypt:Cairo, Kenya:Nairobi, Peru:Lima, Canada:Ottawa, Australia:Canberra, Brazil:Brasilia, "
        "Russia:Moscow, Turkey:Ankara, India:New Delhi, Thailand:Bangkok, Cuba:Havana, Chile:Santiago, "
        "Belgium:Brussels, "
        "Switzerland:Bern, Argentina:Buenos Aires, Mexico:Mexico City, Iceland:Reykjavik, Ukraine:Kyiv, Morocco:Rabat, "
        "Vietnam:Hanoi, Romania:Bucharest, Bulgaria:Sofia, Croatia:Zagreb, the United Kingdom:London, the "
        "Netherlands:Amsterdam, "
        "the United States:Washington, South Korea:Seoul, the Czech Republic:Prague, Colombia:Bogota, Nepal:Kathmandu"
    )
)
COLORS = words_of(
    "red blue green yellow purple orange black white pink brown gray gold silver teal violet crimson indigo turquoise"
)
ANIMALS = words_of(
    "cat dog fox bear wolf lion tiger horse rabbit mouse owl eagle whale dolphin turtle frog snake camel goat sheep "
    "cow pig duck hen parrot penguin deer monkey elephant giraffe zebra otter badger hedgehog squirrel beaver"
)
FRUITS = words_of(
    "apple banana cherry mango peach pear plum grape lemon lime orange kiwi melon papaya apricot fig date coconut "
    "raspberry blueberry strawberry pineapple watermelon"
)
VEGETABLES = words_of(
    "carrot potato onion tomato cabbage spinach broccoli pepper cucumber lettuce celery garlic pumpkin radish leek"
)
OBJECTS = words_of(
    "lamp chair table book pen clock mirror bottle basket blanket candle hammer ladder rope key box cup plate spoon "
    "knife bucket brush pillow drum guitar piano camera phone laptop bicycle wagon boat kite compass map lantern coin "
    "ring hat coat scarf glove boot umbrella suitcase notebook pencil ruler scissors towel kettle vase carpet"
)
INSTRUMENTS = words_of("piano guitar violin cello flute drums trumpet harp clarinet saxophone")
SPORTS = words_of("football tennis basketball swimming running cycling rowing skiing golf hockey volleyball boxing")
COUNTRIES = list(CAPITALS)
JOBS = parts_of(
    "teacher, nurse, engineer, baker, pilot, farmer, lawyer, chef, painter, plumber, dentist, architect, librarian, "
    "carpenter, driver, writer, musician, scientist, gardener, electrician, translator, photographer, accountant"
)
PLANETS = words_of("Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune")
DAYS = words_of("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = words_of("January February March April May June July August September October November December")
SEASONS = words_of("spring summer autumn winter")
ADJECTIVES = words_of(
    "small large old new bright dark quiet loud happy sad clean dirty fast slow soft hard warm cold heavy light "
    "brave clever gentle calm strange simple rare common broken golden wooden empty full hidden ancient modern "
    "smooth rough sharp sweet bitter fresh dry wet narrow wide deep tall short thin thick young wise lucky proud"
)
NOUNS = words_of(
    "river forest mountain village garden bridge tower castle market school harbor island valley desert meadow street "
    "station library museum kitchen window door roof wall road field lake ocean beach cave hill storm "
    "cloud star moon sun "
    "rain snow wind fire stone tree leaf flower seed root letter story song game team project report meeting ticket "
    "order invoice budget server database network message picture video album journal recipe puzzle engine wheel signal"
)
VERBS = words_of(
    "open close move carry paint clean build fix find lose count watch follow visit leave enter cross climb push pull "
    "throw catch break mend wash cook bake plant grow feed teach learn read write draw sing play test check store sell"
)
OPPOSITES = [
    tuple(x.split(":"))
    for x in parts_of(
        "hot:cold, big:small, up:down, fast:slow, old:new, happy:sad, light:dark, open:closed, full:empty, early:late, "
        "high:low, hard:soft, rich:poor, strong:weak, wet:dry, near:far, good:bad, left:right, day:night, long:short, "
        "clean:dirty, thick:thin, loud:quiet, true:false, first:last, wide:narrow, heavy:light, "
        "deep:shallow, sweet:bitter"
    )
]
TOPIC_LISTS = {
    "fruits": FRUITS,
    "animals": ANIMALS,
    "colors": COLORS,
    "vegetables": VEGETABLES,
    "sports": SPORTS,
    "planets": PLANETS,
    "musical instruments": INSTRUMENTS,
    "countries": [c for c in COUNTRIES if not c.startswith("the ")],
    "cities": CITIES,
    "jobs": JOBS,
    "days of the week": DAYS,
    "months": MONTHS,
    "seasons": SEASONS,
    "household objects": OBJECTS,
}
WORDS = sorted(set(ADJECTIVES + NOUNS + VERBS + OBJECTS + ANIMALS + FRUITS + VEGETABLES + COLORS))

# Sounds of made-up words.
ONSETS = words_of(
    "b br c ch cl d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl sn st str t th tr v w x y z"
)
VOWELS = words_of("a e i o u a e i o u ai ea ee ia io ou")
CODAS = ["", "", "", "", "n", "r", "l", "s", "m", "x", "k", "t", "nd", "rt", "th"]
