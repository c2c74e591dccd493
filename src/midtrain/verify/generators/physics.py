"""Physics that reduces to formulas, with units: values are chosen so that the answer is exact.

The gravity of the earth is taken as 10 m/s^2, and the problem says so; water's specific heat as 4200 J/(kg K).
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from midtrain.verify.generators.domain import Domain, decimal, measured
from midtrain.verify.generators.family import Posed


def _average_speed(speed: int, tenths: int) -> Posed:
    """v = s / t"""
    hours = Fraction(tenths, 10)
    distance = speed * hours
    steps = (f"v = s / t = {decimal(distance)} / {decimal(hours)} = {speed}",)
    return measured({"s": decimal(distance), "t": decimal(hours)}, speed, "km/h", steps)


def _two_legs(t: int, v: int, u: int, w: int) -> Posed:
    """The mean speed is the whole distance over the whole time."""
    first, second = t * v, u * w
    mean = Fraction(first + second, t + u)
    steps = (
        f"{v} * {t} = {first}",
        f"{w} * {u} = {second}",
        f"{first} + {second} = {first + second}",
        f"{t} + {u} = {t + u}",
        f"{first + second} / {t + u} = {decimal(mean)}",
    )
    return measured({"t": t, "v": v, "u": u, "w": w}, mean, "km/h", steps)


def _metres_per_second(fifths: int) -> Posed:
    """1 m/s is 3.6 km/h"""
    speed = Fraction(fifths, 2)
    kilometres = speed * Fraction(18, 5)
    steps = (
        f"{decimal(kilometres)} * 1000 = {decimal(kilometres * 1000)}",
        f"{decimal(kilometres * 1000)} / 3600 = {decimal(speed)}",
    )
    return Posed({"v": decimal(kilometres)}, decimal(speed), steps)  # with units, the question would be an answer


def _final_speed(start: int, rate: int, time: int) -> Posed:
    """v = u + a t"""
    steps = (f"{rate} * {time} = {rate * time}", f"{start} + {rate * time} = {start + rate * time}")
    return measured({"u": start, "a": rate, "t": time}, start + rate * time, "m/s", steps)


def _distance(start: int, rate: int, time: int) -> Posed:
    """s = u t + a t^2 / 2"""
    half = Fraction(rate * time * time, 2)
    steps = (
        f"{start} * {time} = {start * time}",
        f"{rate} * {time} * {time} / 2 = {decimal(half)}",
        f"{start * time} + {decimal(half)} = {decimal(start * time + half)}",
    )
    return measured({"u": start, "a": rate, "t": time}, start * time + half, "m", steps)


def _fall(hundredths: int) -> Posed:
    """h = g t^2 / 2 with g = 10 m/s^2"""
    time = Fraction(hundredths, 100)
    steps = (
        f"{decimal(time)} * {decimal(time)} = {decimal(time**2)}",
        f"10 * {decimal(time**2)} / 2 = {decimal(5 * time**2)}",
    )
    return measured({"t": decimal(time)}, 5 * time**2, "m", steps)


def _braking(speed: int, rate: int) -> Posed:
    """s = v^2 / (2 a)"""
    length = Fraction(speed * speed, 2 * rate)
    steps = (
        f"{speed} * {speed} = {speed**2}",
        f"2 * {rate} = {2 * rate}",
        f"{speed**2} / {2 * rate} = {decimal(length)}",
    )
    return measured({"v": speed, "a": rate}, length, "m", steps)


def _current(resistance: int, tenths: int) -> Posed:
    """I = U / R"""
    current = Fraction(tenths, 10)
    voltage = decimal(current * resistance)
    return measured(
        {"u": voltage, "r": resistance},
        current,
        "A",
        (f"I = U / R = {voltage} / {resistance} = {decimal(current)}",),
    )


def _series(first: int, second: int, tenths: int) -> Posed:
    """The voltage over two resistors in series: U = I (R1 + R2)"""
    current, whole = Fraction(tenths, 10), first + second
    steps = (
        f"{first} + {second} = {whole}",
        f"{decimal(current)} * {whole} = {decimal(current * whole)}",
    )
    return measured({"a": first, "b": second, "i": decimal(current)}, current * whole, "V", steps)


def _parallel(scale: int, x: int, y: int) -> Posed:
    """R = R1 R2 / (R1 + R2), which is whole for R1 = s x (x + y) and R2 = s y (x + y)"""
    first, second = scale * x * (x + y), scale * y * (x + y)
    whole = Fraction(first * second, first + second)
    steps = (
        f"{first} * {second} = {first * second}",
        f"{first} + {second} = {first + second}",
        f"{first * second} / {first + second} = {decimal(whole)}",
    )
    return measured({"a": first, "b": second}, whole, "ohm", steps)


def _terminates(number: Fraction) -> bool:
    rest = number.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1


def _density(volume: int, tenths: int) -> Posed:
    """rho = m / V"""
    density = Fraction(tenths, 10)
    mass = decimal(density * volume)
    return measured({"m": mass, "v": volume}, density, "g/cm^3", (f"{mass} / {volume} = {decimal(density)}",))


def _kinetic(mass: int, speed: int) -> Posed:
    """E = m v^2 / 2"""
    energy = Fraction(mass * speed * speed, 2)
    steps = (
        f"{speed} * {speed} = {speed**2}",
        f"{mass} * {speed**2} = {mass * speed**2}",
        f"{mass * speed**2} / 2 = {decimal(energy)}",
    )
    return measured({"m": mass, "v": speed}, energy, "J", steps)


def _potential(mass: int, height: int) -> Posed:
    """E = m g h with g = 10 m/s^2"""
    steps = (f"{mass} * 10 = {mass * 10}", f"{mass * 10} * {height} = {10 * mass * height}")
    return measured({"m": mass, "h": height}, 10 * mass * height, "J", steps)


def _impact_speed(speed: int) -> Posed:
    """v = sqrt(2 g h) with g = 10 m/s^2, from m g h = m v^2 / 2"""
    height = Fraction(speed * speed, 20)
    steps = (
        f"2 * 10 * {decimal(height)} = {speed**2}",
        f"{speed} * {speed} = {speed**2}",
    )
    return measured({"h": decimal(height)}, speed, "m/s", steps)


def _energy_cost(watts: int, hours: int, days: int, cents: int) -> Posed:
    """kWh = W h / 1000"""
    used = Fraction(watts * hours * days, 1000)
    steps = (
        f"{hours} * {days} = {hours * days}",
        f"{watts} * {hours * days} = {watts * hours * days}",
        f"{watts * hours * days} / 1000 = {decimal(used)}",
        f"{decimal(used)} * {cents} = {decimal(used * cents)}",
    )
    return Posed({"w": watts, "h": hours, "d": days, "c": cents}, decimal(used * cents), steps)


def _heat(mass: int, rise: int) -> Posed:
    """Q = m c dT with c = 4200 J/(kg K)"""
    steps = (f"{mass} * 4200 = {mass * 4200}", f"{mass * 4200} * {rise} = {mass * 4200 * rise}")
    return measured({"m": mass, "rise": rise}, mass * 4200 * rise, "J", steps)


def _mixture(m: int, t: int, n: int, u: int) -> Posed:
    """The temperature of two amounts of water mixed: (m t + n u) / (m + n)"""
    mixed = Fraction(m * t + n * u, m + n)
    steps = (
        f"{m} * {t} = {m * t}",
        f"{n} * {u} = {n * u}",
        f"{m * t} + {n * u} = {m * t + n * u}",
        f"{m} + {n} = {m + n}",
        f"{m * t + n * u} / {m + n} = {decimal(mixed)}",
    )
    return Posed({"m": m, "t": t, "n": n, "u": u}, decimal(mixed), steps)


def _force(mass: int, rate: int, friction: int) -> Posed:
    """F = m a, and the friction beside it"""
    steps = (f"{mass} * {rate} = {mass * rate}", f"{mass * rate} + {friction} = {mass * rate + friction}")
    return measured({"m": mass, "a": rate, "f": friction}, mass * rate + friction, "N", steps)


def _lever(force: int, arm: int, other: int) -> Posed:
    """F1 l1 = F2 l2"""
    wanted = Fraction(force * arm, other)
    steps = (f"{force} * {arm} = {force * arm}", f"{force * arm} / {other} = {decimal(wanted)}")
    return measured({"f": force, "a": arm, "b": other}, wanted, "N", steps)


def _wave(frequency: int, tenths: int) -> Posed:
    """v = f * lambda"""
    length = Fraction(tenths, 10)
    steps = (f"{frequency} * {decimal(length)} = {decimal(frequency * length)}",)
    return measured({"f": frequency, "l": decimal(length)}, frequency * length, "m/s", steps)


def _collision(m: int, n: int, speed: int) -> Posed:
    """Momentum is kept: m v = (m + n) w"""
    before = Fraction((m + n) * speed, m)
    momentum = (m + n) * speed
    steps = (f"{m} * {decimal(before)} = {momentum}", f"{m} + {n} = {m + n}", f"{momentum} / {m + n} = {speed}")
    return measured({"m": m, "v": decimal(before), "n": n}, speed, "m/s", steps)


def _pressure(newtons: int, tenths: int) -> Posed:
    """p = F / A"""
    area = Fraction(tenths, 10)
    pressure = Fraction(newtons) / area
    steps = (f"{newtons} / {decimal(area)} = {decimal(pressure)}",)
    return measured({"f": newtons, "a": decimal(area)}, pressure, "Pa", steps)


_G = " (Take g = 10 m/s^2.)"

FAMILIES = (
    Domain(
        (range(4, 60), range(10, 60, 5)), (range(60, 130), range(11, 99)), (range(130, 900), range(101, 999))
    ).family(
        "average_speed",
        "speed from distance and time",
        _average_speed,
        (
            "A car covers {s} km in {t} hour(s). What is its average speed in km/h?",
            "Someone travels {s} km in {t} h. Find the average speed in km/h.",
            "How fast, in km/h, is a train that needs {t} hour(s) for {s} km?",
        ),
        ("A ship is {t} hour(s) under way and makes {s} km. Give its mean speed in km/h.",),
    ),
    Domain(
        (range(1, 5), range(10, 61, 10), range(1, 5), range(10, 61, 10)),
        (range(1, 9), range(65, 131, 5), range(1, 9), range(20, 131, 5)),
        (range(2, 20), range(131, 300), range(2, 20), range(50, 300)),
        keep=lambda t, v, u, w: v != w and _terminates(Fraction(t * v + u * w, t + u)),
    ).family(
        "mean_speed_of_two_legs",
        "the mean speed over two parts of a journey (held out whole)",
        _two_legs,
        (
            "A bus drives {t} hour(s) at {v} km/h and {u} hour(s) at {w} km/h. What is its mean speed in km/h?",
            "What is the average speed, in km/h, over {t} h at {v} km/h and {u} h at {w} km/h?",
        ),
        ("For {t} hour(s) the speed is {v} km/h, for {u} more it is {w} km/h. Which steady km/h come to the same?",),
        train=False,
    ),
    Domain((range(2, 400),), (range(400, 2000),), (range(2000, 20_000),)).family(
        "kilometres_per_hour",
        "a speed turned from km/h to m/s",
        _metres_per_second,
        (
            "Convert {v} km/h to m/s.",
            "What is {v} km/h in m/s?",
            "How many metres per second (m/s) are {v} kilometres per hour?",
        ),
        ("A bird flies {v} km in an hour. How fast is that in m/s?",),
    ),
    Domain(
        (range(20), range(1, 6), range(2, 12)),
        (range(20, 80), range(2, 15), range(5, 40)),
        (range(80, 400), range(3, 40), range(20, 200)),
    ).family(
        "final_speed",
        "the speed after steady acceleration",
        _final_speed,
        (
            "A body moves at {u} m/s and accelerates at {a} m/s^2 for {t} s. What is its final speed in m/s?",
            "Starting at {u} m/s, a rocket accelerates by {a} m/s^2. How fast is it after {t} s, in m/s?",
            "Find the speed in m/s after {t} s of acceleration {a} m/s^2 from {u} m/s.",
        ),
        ("Each second {a} m/s are gained on a speed of {u} m/s. What does the dial show, in m/s, after {t} seconds?",),
    ),
    Domain(
        (range(20), range(1, 6), range(2, 12)),
        (range(20, 80), range(2, 15), range(5, 40)),
        (range(80, 400), range(3, 40), range(20, 200)),
    ).family(
        "accelerated_distance",
        "the distance covered under steady acceleration",
        _distance,
        (
            "A body moves at {u} m/s and accelerates at {a} m/s^2 for {t} s. How far does it get, in metres?",
            "How many metres does a train cover in {t} s that starts at {u} m/s and accelerates at {a} m/s^2?",
            "Find the distance in metres: initial speed {u} m/s, acceleration {a} m/s^2, time {t} s.",
        ),
        ("At first {u} m/s, gaining {a} m/s every second for {t} seconds: how many metres are left behind?",),
    ),
    Domain((range(10, 1000, 5),), ([time for time in range(101, 1000) if time % 5],), (range(1000, 3000),)).family(
        "free_fall",
        "the depth of a free fall",
        _fall,
        (
            "A stone falls for {t} s. How deep does it fall, in metres?" + _G,
            "How many metres does a body fall freely in {t} s?" + _G,
            "A ball is dropped and hits the ground after {t} s. From what height in metres?" + _G,
        ),
        ("The splash comes {t} s after letting go. How many metres down is the water?" + _G,),
    ),
    Domain(
        (range(4, 30), (1, 2, 4, 5)),
        (range(30, 90), (2, 4, 5, 8, 10)),
        (range(90, 999), (4, 5, 8, 10, 16, 20)),
    ).family(
        "braking_distance",
        "the way until a vehicle stands",
        _braking,
        (
            "A car at {v} m/s brakes at {a} m/s^2. How many metres is its braking distance?",
            "From {v} m/s a train slows down steadily by {a} m/s^2. After how many metres does it stand?",
            "Find the stopping distance in metres from {v} m/s at a deceleration of {a} m/s^2.",
        ),
        ("Losing {a} m/s every second, how many metres does a sledge at {v} m/s still slide?",),
    ),
    Domain((range(2, 40), range(5, 60, 5)), (range(40, 200), range(1, 99)), (range(200, 2000), range(101, 999))).family(
        "ohms_law",
        "the current from voltage and resistance",
        _current,
        (
            "A resistor of {r} ohm is connected to {u} V. What current flows, in A?",
            "What is the current in amperes (A) at {u} V through {r} ohm?",
            "{u} V lie across {r} ohm. Find the current in A.",
        ),
        ("Across a wire of {r} ohm there are {u} V. How many A does a meter show?",),
    ),
    Domain(
        (range(1, 20), range(1, 20), range(5, 31, 5)),
        (range(20, 200), range(5, 200), range(1, 60)),
        (range(200, 2000), range(50, 2000), range(61, 300)),
    ).family(
        "resistors_in_series",
        "the voltage over two resistors in series",
        _series,
        (
            "Resistors of {a} ohm and {b} ohm are in series; {i} A flow. What is the whole voltage in V?",
            "{i} A flow through {a} ohm and {b} ohm in a row. What voltage in V is needed?",
            "Find the voltage in V that drives {i} A through {a} ohm and {b} ohm in series.",
        ),
        ("One after the other stand {a} ohm and {b} ohm in a circuit of {i} A. Give the V of its battery.",),
    ),
    Domain(
        (range(1, 10), range(1, 6), range(1, 8)),
        (range(10, 40), range(1, 10), range(2, 12)),
        (range(40, 200), range(1, 12), range(3, 16)),
        keep=lambda scale, x, y: x <= y and gcd(x, y) == 1,
    ).family(
        "resistors_in_parallel",
        "the resistance of two resistors in parallel (held out whole)",
        _parallel,
        (
            "Resistors of {a} ohm and {b} ohm are connected in parallel. What is their resistance together, in ohm?",
            "Find the total resistance in ohm of {a} ohm parallel to {b} ohm.",
        ),
        ("Side by side, {a} ohm and {b} ohm act like one resistor. Of how many ohm?",),
        train=False,
    ),
    Domain((range(2, 60), range(5, 99)), (range(60, 400), range(11, 220)), (range(400, 4000), range(101, 2300))).family(
        "density",
        "density from mass and volume",
        _density,
        (
            "A body of {m} g has a volume of {v} cm^3. What is its density in g/cm^3?",
            "{v} cm^3 of a metal have a mass of {m} g. Find the density in g/cm^3.",
            "What is the density, in g/cm^3, of a liquid of which {v} cm^3 have {m} g?",
        ),
        ("A stone weighs {m} g and pushes {v} cm^3 of water aside. How dense is it, in g/cm^3?",),
    ),
    Domain((range(1, 30), range(2, 20)), (range(30, 200), range(5, 60)), (range(200, 3000), range(20, 300))).family(
        "kinetic_energy",
        "the energy of motion",
        _kinetic,
        (
            "What is the kinetic energy, in J, of {m} kg moving at {v} m/s?",
            "A body of {m} kg has a speed of {v} m/s. Find its kinetic energy in J.",
            "How many joules (J) of kinetic energy does a cart of {m} kg have at {v} m/s?",
        ),
        ("How much work in J was needed to bring {m} kg from rest to {v} m/s?",),
    ),
    Domain((range(1, 40), range(1, 30)), (range(40, 300), range(5, 99)), (range(300, 9000), range(11, 500))).family(
        "potential_energy",
        "the energy of height",
        _potential,
        (
            "How much potential energy, in J, do {m} kg gain when lifted by {h} m?" + _G,
            "{m} kg are lifted {h} m. How many J of work is that?" + _G,
            "Find the potential energy in J of {m} kg at a height of {h} m." + _G,
        ),
        ("A crane raises {m} kg by {h} m. How much energy does the load take up, in J?" + _G,),
    ),
    Domain((range(2, 40),), (range(40, 120),), (range(120, 400),)).family(
        "impact_speed",
        "the speed at which a falling body arrives (held out whole)",
        _impact_speed,
        (
            "A ball falls from {h} m. How fast is it when it arrives, in m/s?" + _G,
            "With what speed in m/s does a body hit the ground that was dropped from {h} m?" + _G,
        ),
        ("All the energy of a height of {h} m becomes motion. What speed in m/s comes out?" + _G,),
        train=False,
    ),
    Domain(
        (range(10, 101, 10), range(1, 10), range(2, 11), range(20, 41, 5)),
        (range(100, 1000, 25), range(1, 13), range(7, 32), range(18, 45)),
        (range(1000, 4000, 50), range(1, 20), range(30, 366), range(18, 60)),
    ).family(
        "energy_cost",
        "what a device costs to run",
        _energy_cost,
        (
            "A device of {w} W runs {h} hour(s) a day for {d} day(s). A kWh costs {c} cents. How many cents is that?",
            "What do {d} day(s) with {h} hour(s) each at {w} W cost, in cents, at {c} cents per kWh?",
            "At {c} cents a kWh, find the cost in cents of {w} W used {h} hour(s) a day over {d} day(s).",
        ),
        ("A heater takes {w} W and is on {h} hour(s) daily. How many cents are {d} day(s) at {c} cents per kWh?",),
    ),
    Domain((range(1, 30), range(2, 40)), (range(30, 200), range(5, 80)), (range(200, 5000), range(5, 95))).family(
        "heat",
        "the heat that warms water",
        _heat,
        (
            "How much heat, in J, warms {m} kg of water by {rise} K? (Take 4200 J/(kg K).)",
            "{m} kg of water are warmed by {rise} K. How many J does that take? (4200 J per kg and K)",
            "Find the heat in J for {m} kg of water and a rise of {rise} K, with c = 4200 J/(kg K).",
        ),
        ("By {rise} K a tank of {m} kg of water grows warmer. What energy in J went in, at 4200 J per kg and K?",),
    ),
    Domain(
        (range(1, 10), range(5, 50), range(1, 10), range(50, 100)),
        (range(10, 60), range(5, 50), range(1, 60), range(50, 100)),
        (range(60, 900), range(5, 50), range(10, 900), range(50, 100)),
        keep=lambda m, t, n, u: _terminates(Fraction(m * t + n * u, m + n)),
    ).family(
        "mixture_temperature",
        "the temperature of two amounts of water mixed",
        _mixture,
        (
            "{m} litre(s) of water at {t} degrees and {n} litre(s) at {u} degrees are mixed. How warm is that?",
            "Mix {m} kg of water of {t} degrees with {n} kg of {u} degrees. What temperature results, in degrees?",
            "What is the temperature, in degrees, of {m} l of water at {t} and {n} l at {u} degrees together?",
        ),
        ("Into a tub with {m} litre(s) at {t} degrees flow {n} litre(s) at {u} degrees. What does a thermometer say?",),
    ),
    Domain(
        (range(1, 30), range(1, 10), range(1, 20)),
        (range(30, 300), range(2, 15), range(10, 200)),
        (range(300, 5000), range(2, 30), range(100, 3000)),
    ).family(
        "force",
        "the force that accelerates a body against friction",
        _force,
        (
            "What force in N accelerates {m} kg at {a} m/s^2 against a friction of {f} N?",
            "A sledge of {m} kg is to accelerate at {a} m/s^2; friction is {f} N. Find the needed force in N.",
            "{f} N of friction act on {m} kg. How many N give it an acceleration of {a} m/s^2?",
        ),
        ("A cart of {m} kg, held back by {f} N, gains {a} m/s each second. How strong is the pull, in N?",),
    ),
    Domain(
        (range(5, 100, 5), range(1, 20), (1, 2, 4, 5, 10)),
        (range(100, 600, 4), range(2, 60), (2, 4, 5, 8, 10, 16, 20)),
        (range(600, 5000, 8), range(5, 200), (5, 8, 16, 20, 25, 32, 40, 50)),
        keep=lambda force, arm, other: arm != other,
    ).family(
        "lever",
        "the force that balances a lever",
        _lever,
        (
            "On a lever {f} N act at {a} cm from the pivot. What force in N balances them at {b} cm on the other side?",
            "A seesaw carries {f} N at {a} cm. How many N at {b} cm on the other side keep it level?",
            "{f} N at an arm of {a} cm: find the force in N at an arm of {b} cm that holds the balance.",
        ),
        ("A plank is loaded with {f} N, {a} cm left of its support. What load in N, {b} cm right of it, balances it?",),
    ),
    Domain((range(2, 60), range(1, 60)), (range(60, 500), range(1, 99)), (range(500, 20_000), range(3, 300))).family(
        "wave_speed",
        "the speed of a wave",
        _wave,
        (
            "A wave has a frequency of {f} Hz and a wavelength of {l} m. What is its speed in m/s?",
            "Find the speed in m/s of a wave of {l} m at {f} Hz.",
            "How fast, in m/s, does a sound of {f} Hz travel whose wavelength is {l} m?",
        ),
        ("{f} crests a second pass by, {l} m apart. With what speed in m/s do they run?",),
    ),
    Domain(
        ((1, 2, 4, 5, 8, 10), range(1, 20), range(1, 20)),
        ((16, 20, 25, 32, 40, 50, 64), range(5, 100), range(2, 40)),
        ((80, 100, 125, 160, 200, 250, 320, 400, 500), range(50, 999), range(3, 60)),
    ).family(
        "collision",
        "the speed after two bodies stick together (held out whole)",
        _collision,
        (
            "A wagon of {m} kg at {v} m/s hits one of {n} kg at rest; they stay together. How fast are they, in m/s?",
            "{m} kg moving at {v} m/s stick to {n} kg at rest. What is their speed together, in m/s?",
        ),
        ("A lump of {m} kg at {v} m/s is caught by a cart of {n} kg that stood still. Find the m/s of both.",),
        train=False,
    ),
    Domain(
        (range(10, 400, 10), (1, 2, 4, 5, 8, 10)),
        (range(400, 5000, 10), (2, 4, 5, 8, 16, 20, 25)),
        (range(5000, 99_000, 50), (5, 8, 16, 20, 25, 32, 40, 50)),
    ).family(
        "pressure",
        "pressure from force and area",
        _pressure,
        (
            "{f} N press on {a} m^2. What is the pressure in Pa?",
            "Find the pressure in Pa of a force of {f} N on an area of {a} m^2.",
            "A crate pushes with {f} N on {a} m^2 of floor. How many Pa is that?",
        ),
        ("Spread over {a} m^2, {f} N weigh on the ice. What pressure in Pa does it bear?",),
    ),
)
