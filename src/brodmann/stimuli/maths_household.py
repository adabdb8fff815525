"""Stories of the maths corpus about shopping, work and the house."""

from __future__ import annotations

from brodmann.stimuli.maths_problem import NAMES, Told, story, two_names
from brodmann.tasks.dice import Dice


@story
def shelves(dice: Dice) -> Told:
    """Full shelves and some left over."""
    name = dice.choice(NAMES)
    place = dice.choice(("a school library", "a second-hand shop", "a reading room"))
    n = {"shelves": dice.between(4, 12), "each": dice.between(14, 32), "table": dice.between(5, 40)}
    n["lent"] = dice.between(3, 30)
    full = n["shelves"] * n["each"]
    total = full + n["table"]
    return (
        n,
        f"In {place}, {name} counts the books. There are {n['shelves']} shelves with {n['each']} books on "
        f"each of them, and {n['table']} more books lie on a table. In the course of the day, visitors "
        f"take {n['lent']} books away. How many books are left in the evening?",
        f"The shelves hold {n['shelves']} * {n['each']} = {full} books. With those on the table there are "
        f"{full} + {n['table']} = {total} books. After the visitors have gone, {total} - {n['lent']} = "
        f"{total - n['lent']} books are left.",
        total - n["lent"],
    )


@story
def change(dice: Dice) -> Told:
    """Two kinds of goods and the change from a note."""
    name = dice.choice(NAMES)
    first, second = dice.shuffled(("notebooks", "pens", "candles", "postcards", "rulers"))[:2]
    n = {"a": dice.between(2, 6), "pa": dice.between(2, 7), "b": dice.between(2, 5)}
    n |= {"pb": dice.between(2, 6), "note": 100}
    one, other = n["a"] * n["pa"], n["b"] * n["pb"]
    return (
        n,
        f"At a stationery shop, {name} buys {n['a']} {first} at {n['pa']} crowns each and {n['b']} "
        f"{second} at {n['pb']} crowns each. There is no discount, and {name} pays with a note of "
        f"{n['note']} crowns. How many crowns does the shopkeeper give back as change?",
        f"The {first} cost {n['a']} * {n['pa']} = {one} crowns, and the {second} cost {n['b']} * "
        f"{n['pb']} = {other} crowns. Together this is {one} + {other} = {one + other} crowns. The change "
        f"is {n['note']} - {one + other} = {n['note'] - one - other} crowns.",
        n["note"] - one - other,
    )


@story
def journey(dice: Dice) -> Told:
    """Two stretches at different speeds."""
    name = dice.choice(NAMES)
    n = {"h1": dice.between(2, 4), "v1": 5 * dice.between(12, 20), "h2": dice.between(1, 3)}
    n["v2"] = 5 * dice.between(7, 11)
    one, other = n["h1"] * n["v1"], n["h2"] * n["v2"]
    hours = "hour" if n["h2"] == 1 else "hours"
    return (
        n,
        f"{name} drives from the coast to a village in the hills. The first part is a motorway, on which "
        f"the car moves at {n['v1']} kilometres per hour for {n['h1']} hours. The second part is a narrow "
        f"road and takes {n['h2']} {hours} at {n['v2']} kilometres per hour. How long is the whole way in "
        "kilometres?",
        f"The motorway part is {n['v1']} * {n['h1']} = {one} kilometres long, and the narrow road is "
        f"{n['v2']} * {n['h2']} = {other} kilometres long. The whole way measures {one} + {other} = "
        f"{one + other} kilometres.",
        one + other,
    )


@story
def fence(dice: Dice) -> Told:
    """A perimeter less a gate, in panels."""
    name = dice.choice(NAMES)
    # An even gate: else no number of panels of even length would do.
    panel, gate = dice.between(2, 4), 2 * dice.between(1, 2)
    length = dice.between(15, 40)
    width = dice.between(8, 14)
    while (2 * (length + width) - gate) % panel:
        width += 1
    n = {"length": length, "width": width, "gate": gate, "panel": panel}
    around = 2 * (length + width)
    return (
        n,
        f"A rectangular garden is {length} metres long and {width} metres wide. {name} wants to put a "
        f"fence all around it, except for a gate that is {gate} metres wide. The fence is sold in panels "
        f"of {panel} metres, which cannot be cut. How many panels does {name} need?",
        f"One long and one short side measure {length} + {width} = {length + width} metres, so the way "
        f"around the garden is 2 * {length + width} = {around} metres. Without the gate, {around} - "
        f"{gate} = {around - gate} metres remain. This takes {around - gate} / {panel} = "
        f"{(around - gate) // panel} panels.",
        (around - gate) // panel,
    )


@story
def ages(dice: Dice) -> Told:
    """A sum of ages in some years."""
    one, other = two_names(dice)
    n = {"young": dice.between(6, 15), "times": dice.between(2, 4), "years": dice.between(3, 12)}
    old = n["young"] * n["times"]
    later, older = n["young"] + n["years"], old + n["years"]
    factor = {2: "twice", 3: "three times", 4: "four times"}[n["times"]]
    return (
        n,
        f"{one} is {n['young']} years old today, and {other} is exactly {factor} as old as {one}. They "
        f"have agreed to make a long journey together in {n['years']} years, when both have enough time "
        "for it. What will be the sum of their ages in that year?",
        f"Today {other} is {n['times']} * {n['young']} = {old} years old. In {n['years']} years, {one} "
        f"will be {n['young']} + {n['years']} = {later} and {other} will be {old} + {n['years']} = "
        f"{older}. The sum of their ages will be {later} + {older} = {later + older} years.",
        later + older,
    )


@story
def recipe(dice: Dice) -> Told:
    """Scaling a recipe, and what must still be bought."""
    name = dice.choice(NAMES)
    dish = dice.choice(("pancakes", "lentil soup", "flat bread", "rice pudding"))
    what = {"pancakes": "flour", "lentil soup": "lentils", "flat bread": "flour"}.get(dish, "rice")
    n = {
        "people": dice.between(2, 6),
        "grams": 10 * dice.between(5, 12),
        "times": dice.between(3, 7),
    }
    guests, need = n["people"] * n["times"], n["people"] * n["times"] * n["grams"]
    n |= {"guests": guests, "have": 10 * dice.between(10, need // 10 - 5)}
    return (
        n,
        f"{name} cooks {dish} for {guests} guests. The recipe is written for {n['people']} people and "
        f"asks for {n['people'] * n['grams']} grams of {what}. In the cupboard there are {n['have']} "
        f"grams of {what}. How many grams of {what} must {name} buy, if everyone is to get the usual "
        "helping?",
        f"One helping needs {n['people'] * n['grams']} / {n['people']} = {n['grams']} grams. For all the "
        f"guests, {guests} * {n['grams']} = {need} grams are needed. Since {n['have']} grams are there, "
        f"{name} must buy {need} - {n['have']} = {need - n['have']} grams.",
        need - n["have"],
    )


@story
def tank(dice: Dice) -> Told:
    """Filling with a leak."""
    n = {
        "inflow": dice.between(18, 40),
        "leak": dice.between(3, 12),
        "minutes": dice.between(12, 45),
    }
    n["start"] = 10 * dice.between(2, 12)
    net = n["inflow"] - n["leak"]
    full = n["start"] + net * n["minutes"]
    n["full"] = full
    animal = dice.choice(("goats", "cattle", "horses", "sheep"))
    return (
        n,
        f"A water tank for {animal} holds {full} litres and contains {n['start']} litres in the morning. "
        f"A pump brings in {n['inflow']} litres each minute, but {n['leak']} litres each minute are lost "
        "through a crack near the bottom. How many minutes does it take until the tank is full?",
        f"The tank can take another {full} - {n['start']} = {full - n['start']} litres. In each minute "
        f"the water gains {n['inflow']} - {n['leak']} = {net} litres. It is therefore full after "
        f"{full - n['start']} / {net} = {n['minutes']} minutes.",
        n["minutes"],
    )


@story
def wages(dice: Dice) -> Told:
    """Ordinary hours, overtime and a deduction."""
    name = dice.choice(NAMES)
    job = dice.choice(("a bicycle workshop", "a bakery", "a garden centre", "a print shop"))
    n = {"hours": dice.between(20, 38), "pay": dice.between(12, 24), "extra": dice.between(2, 8)}
    n |= {"more": dice.between(3, 9), "clothes": dice.between(10, 40)}
    rate = n["pay"] + n["more"]
    base, over = n["hours"] * n["pay"], n["extra"] * rate
    return (
        n,
        f"In {job}, {name} earns {n['pay']} crowns an hour. For each hour of overtime there are "
        f"{n['more']} crowns on top of that. Last week {name} worked {n['hours']} ordinary hours and "
        f"{n['extra']} hours of overtime, and {n['clothes']} crowns were taken off for working clothes. "
        "How many crowns were paid out?",
        f"The ordinary hours bring {n['hours']} * {n['pay']} = {base} crowns. An hour of overtime is paid "
        f"with {n['pay']} + {n['more']} = {rate} crowns, which makes {n['extra']} * {rate} = {over} "
        f"crowns. In all this is {base} + {over} = {base + over} crowns, and {base + over} - "
        f"{n['clothes']} = {base + over - n['clothes']} crowns are paid out.",
        base + over - n["clothes"],
    )


@story
def sharing(dice: Dice) -> Told:
    """Equal parts and a remainder."""
    name = dice.choice(NAMES)
    fruit = dice.choice(("apricots", "walnuts", "figs", "chestnuts", "plums"))
    n = {"children": dice.between(4, 9), "each": dice.between(6, 15), "eaten": dice.between(3, 12)}
    n["rest"] = dice.between(2, n["children"] - 1)
    given = n["children"] * n["each"]
    n["picked"] = given + n["rest"] + n["eaten"]
    left = n["picked"] - n["eaten"]
    return (
        n,
        f"{name} has picked {n['picked']} {fruit} and eats {n['eaten']} of them on the way home. The "
        f"others are shared among {n['children']} children, so that each child gets the same number and "
        f"as many as possible are given away. How many {fruit} remain in the basket in the end?",
        f"On arrival there are {n['picked']} - {n['eaten']} = {left} {fruit}. Each of the {n['children']} "
        f"children can get {n['each']}, because {n['children']} * {n['each']} = {given} and one more for "
        f"each would be too many. In the basket remain {left} - {given} = {n['rest']} {fruit}.",
        n["rest"],
    )


@story
def discount(dice: Dice) -> Told:
    """A percentage off, for several pieces."""
    name = dice.choice(NAMES)
    thing = dice.choice(("chair", "lamp", "rucksack", "blanket", "kettle"))
    n = {
        "price": 20 * dice.between(2, 12),
        "percent": 5 * dice.between(1, 8),
        "pieces": dice.between(2, 6),
    }
    off = n["price"] * n["percent"] // 100
    new = n["price"] - off
    return (
        n,
        f"A {thing} usually costs {n['price']} crowns. During the summer sale, the shop takes "
        f"{n['percent']} per cent off the price of everything in the window. {name} has been waiting for "
        f"this and buys {n['pieces']} such {thing}s for the new flat. How many crowns does {name} pay in "
        "total?",
        f"One per cent of {n['price']} crowns, times {n['percent']}, is {n['price']} * {n['percent']} / "
        f"100 = {off} crowns. A {thing} in the sale costs {n['price']} - {off} = {new} crowns. For "
        f"{n['pieces']} of them, {name} pays {n['pieces']} * {new} = {n['pieces'] * new} crowns.",
        n["pieces"] * new,
    )
