"""Stories of the maths corpus about land, nature, sport and making things."""

from __future__ import annotations

from brodmann.stimuli.maths_problem import NAMES, Told, story, two_names
from brodmann.tasks.dice import Dice


@story
def orchard(dice: Dice) -> Told:
    """Rows of trees, some of which bear nothing, into crates."""
    name = dice.choice(NAMES)
    fruit = dice.choice(("apple", "cherry", "peach", "olive"))
    n = {"rows": dice.between(5, 12), "trees": dice.between(6, 15), "young": dice.between(4, 20)}
    n |= {"kilos": 5 * dice.between(2, 8), "crate": 5}
    planted = n["rows"] * n["trees"]
    bearing = planted - n["young"]
    crop = bearing * n["kilos"]
    return (
        n,
        f"The {fruit} orchard of {name} has {n['rows']} rows with {n['trees']} trees in each. Of all "
        f"these trees, {n['young']} are still too young to bear fruit. Each of the remaining trees gives "
        f"{n['kilos']} kilograms in autumn, and the harvest is packed into crates of {n['crate']} "
        "kilograms. How many crates are filled?",
        f"There are {n['rows']} * {n['trees']} = {planted} trees, of which {planted} - {n['young']} = "
        f"{bearing} bear fruit. They give {bearing} * {n['kilos']} = {crop} kilograms. This fills {crop} "
        f"/ {n['crate']} = {crop // n['crate']} crates.",
        crop // n["crate"],
    )


@story
def average(dice: Dice) -> Told:
    """The score that is needed for a mean."""
    name = dice.choice(NAMES)
    sport = dice.choice(("an archery", "a diving", "a darts", "a gymnastics"))
    n = {"goal": dice.between(60, 80)}
    n |= {rnd: n["goal"] + dice.between(-8, 8) for rnd in "abc"}
    total, so_far = 4 * n["goal"], n["a"] + n["b"] + n["c"]
    return (
        n,
        f"In {sport} contest, {name} takes part in four rounds. The first three rounds have brought "
        f"{n['a']}, {n['b']} and {n['c']} points. Only those whose average over all four rounds is at "
        f"least {n['goal']} points will reach the final. What is the smallest number of points that "
        f"{name} needs in the last round?",
        f"An average of {n['goal']} over four rounds means 4 * {n['goal']} = {total} points altogether. "
        f"The first three rounds have given {n['a']} + {n['b']} + {n['c']} = {so_far} points. In the last "
        f"round {name} needs {total} - {so_far} = {total - so_far} points.",
        total - so_far,
    )


@story
def animals(dice: Dice) -> Told:
    """Heads and legs."""
    name = dice.choice(NAMES)
    bird, beast = dice.choice((("hens", "goats"), ("ducks", "sheep"), ("geese", "donkeys")))
    n = {"birds": dice.between(5, 30), "beasts": dice.between(3, 25)}
    heads, legs = n["birds"] + n["beasts"], 2 * n["birds"] + 4 * n["beasts"]
    n |= {"heads": heads, "legs": legs}
    return (
        n,
        f"On a small farm there are only {bird} and {beast}. From the gate, {name} counts {heads} heads, "
        f"and a friend who is lying in the grass counts {legs} legs. No animal has been missed or counted "
        f"twice. How many {beast} live on the farm?",
        f"If all of the animals were {bird}, there would be 2 * {heads} = {2 * heads} legs. In fact there "
        f"are {legs} - {2 * heads} = {legs - 2 * heads} legs more than that. Each of the {beast} has two "
        f"legs more than one of the {bird}, so there are {legs - 2 * heads} / 2 = {n['beasts']} {beast}.",
        n["beasts"],
    )


@story
def meeting(dice: Dice) -> Told:
    """Two who come towards each other."""
    one, other = two_names(dice)
    n = {"v1": dice.between(12, 22), "v2": dice.between(3, 6), "hours": dice.between(2, 5)}
    closing = n["v1"] + n["v2"]
    n["distance"] = closing * n["hours"]
    return (
        n,
        f"{one} and {other} live at the two ends of a road that is {n['distance']} kilometres long. They "
        f"set out at the same moment and move towards each other without a rest. {one} rides a bicycle at "
        f"{n['v1']} kilometres per hour, while {other} walks at {n['v2']} kilometres per hour. How many "
        f"kilometres has {other} walked when they meet?",
        f"Each hour the distance between them becomes {n['v1']} + {n['v2']} = {closing} kilometres "
        f"shorter. They meet after {n['distance']} / {closing} = {n['hours']} hours. In this time {other} "
        f"walks {n['v2']} * {n['hours']} = {n['v2'] * n['hours']} kilometres.",
        n["v2"] * n["hours"],
    )


@story
def doubling(dice: Dice) -> Told:
    """Growth by doubling, with a loss at the end."""
    name = dice.choice(NAMES)
    n = {"start": dice.between(3, 15), "weeks": 3, "removed": dice.between(5, 20)}
    one, two, three = (n["start"] * 2**k for k in (1, 2, 3))
    plant = dice.choice(("water lilies", "duckweed plants", "floating ferns"))
    return (
        n,
        f"{name} puts {n['start']} {plant} into a pond. They spread quickly, and at the end of every week "
        f"there are twice as many as at its beginning. After {n['weeks']} weeks, {name} takes out "
        f"{n['removed']} of them and gives them to a neighbour. How many {plant} are in the pond then?",
        f"After one week there are {n['start']} * 2 = {one} {plant}, after two weeks {one} * 2 = {two}, "
        f"and after three weeks {two} * 2 = {three}. When some have been given away, {three} - "
        f"{n['removed']} = {three - n['removed']} remain.",
        three - n["removed"],
    )


@story
def floor(dice: Dice) -> Told:
    """Tiles for a floor, some of them broken."""
    name = dice.choice(NAMES)
    room = dice.choice(("kitchen", "bathroom", "hall", "workshop"))
    n = {
        "length": dice.between(3, 9),
        "width": dice.between(2, 6),
        "per": dice.choice((4, 9, 16, 25)),
    }
    n["broken"] = dice.between(2, 15)
    area = n["length"] * n["width"]
    tiles = area * n["per"]
    return (
        n,
        f"The floor of a {room} is a rectangle of {n['length']} metres by {n['width']} metres. {name} "
        f"covers it with square tiles, of which {n['per']} make up one square metre. While they are being "
        f"laid, {n['broken']} tiles break and must be replaced. How many tiles does {name} use "
        "altogether, including the broken ones?",
        f"The floor has an area of {n['length']} * {n['width']} = {area} square metres. It takes {area} * "
        f"{n['per']} = {tiles} tiles to cover it. With the broken ones, {name} uses {tiles} + "
        f"{n['broken']} = {tiles + n['broken']} tiles.",
        tiles + n["broken"],
    )


@story
def fraction(dice: Dice) -> Told:
    """A part of a whole, and a part of what is left."""
    name = dice.choice(NAMES)
    words = {2: "half", 3: "one third", 4: "one quarter", 5: "one fifth"}
    first, second = dice.choice((2, 3, 4, 5)), dice.choice((2, 3, 4, 5))
    # A multiple that keeps what is left after the first part divisible by the second.
    n = {"total": first * second * dice.between(4, 15), "first": first, "second": second}
    part = n["total"] // first
    left = n["total"] - part
    other = left // second
    return (
        n,
        f"A path in the mountains is marked with {n['total']} poles, so that walkers find the way in the "
        f"snow. In spring, {name} has to paint them all anew. On the first day {words[first]} of the "
        f"poles are painted, and on the second day {words[second]} of those that were left. How many "
        "poles must still be painted after that?",
        f"On the first day {n['total']} / {first} = {part} poles are painted, and {n['total']} - {part} = "
        f"{left} are left. On the second day {left} / {second} = {other} are added. Then {left} - {other} "
        f"= {left - other} poles must still be painted.",
        left - other,
    )


@story
def machines(dice: Dice) -> Told:
    """Output in proportion to machines and hours."""
    name = dice.choice(NAMES)
    thing = dice.choice(("bottles", "buttons", "screws", "pencils", "spoons"))
    n = {"few": dice.between(2, 5), "h1": dice.between(2, 6), "rate": 10 * dice.between(3, 20)}
    n |= {"many": n["few"] + dice.between(1, 6), "h2": dice.between(3, 8)}
    made = n["few"] * n["h1"] * n["rate"]
    n["made"] = made
    each, hourly = made // n["few"], n["many"] * n["rate"]
    return (
        n,
        f"In a small factory, {n['few']} machines of the same kind turn out {made} {thing} in {n['h1']} "
        f"hours. {name}, who runs the factory, receives a large order and lets {n['many']} such machines "
        f"work for {n['h2']} hours at the same speed. How many {thing} do they produce in that time?",
        f"A single machine makes {made} / {n['few']} = {each} {thing} in {n['h1']} hours, and so {each} / "
        f"{n['h1']} = {n['rate']} in one hour. All of them together make {n['many']} * {n['rate']} = "
        f"{hourly} in an hour. In {n['h2']} hours they produce {hourly} * {n['h2']} = {hourly * n['h2']} "
        f"{thing}.",
        hourly * n["h2"],
    )


@story
def stairs(dice: Dice) -> Told:
    """Steps up and down over several days."""
    name = dice.choice(NAMES)
    tower = dice.choice(("lighthouse", "fire tower", "church tower", "water tower"))
    n = {"steps": dice.between(80, 250), "daily": dice.between(2, 4), "days": dice.between(5, 12)}
    climb = 2 * n["steps"]
    daily = climb * n["daily"]
    return (
        n,
        f"{name} works as a guide in an old {tower}, which has {n['steps']} steps from the door to the "
        f"platform at the top. On each working day there are {n['daily']} tours, and on every tour {name} "
        f"walks all the way up and down again. How many steps does {name} take on the stairs in "
        f"{n['days']} working days?",
        f"A tour goes up and down and therefore has 2 * {n['steps']} = {climb} steps. On one day this "
        f"makes {climb} * {n['daily']} = {daily} steps. In {n['days']} days {name} takes {daily} * "
        f"{n['days']} = {daily * n['days']} steps.",
        daily * n["days"],
    )


@story
def league(dice: Dice) -> Told:
    """Points from wins and draws."""
    name = dice.choice(NAMES)
    n = {"wins": dice.between(5, 16), "draws": dice.between(2, 9), "lost": dice.between(2, 10)}
    n["played"] = n["wins"] + n["draws"] + n["lost"]
    from_wins = 3 * n["wins"]
    n["points"] = from_wins + n["draws"]
    decided = n["played"] - n["lost"]
    extra = n["points"] - decided
    return (
        n,
        "In a handball league a win counts three points, a draw one point and a defeat none. The team "
        f"that {name} trains has played {n['played']} matches, lost {n['lost']} of them and collected "
        f"{n['points']} points. The newspaper does not print the number of draws. How many matches has "
        "the team won?",
        f"The team did not lose {n['played']} - {n['lost']} = {decided} matches. If all of these had been "
        f"draws, there would be {decided} points, but there are {n['points']} - {decided} = {extra} more. "
        f"A win brings two points more than a draw, so there were {extra} / 2 = {n['wins']} wins.",
        n["wins"],
    )
