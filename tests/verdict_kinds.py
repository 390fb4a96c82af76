r"""What right and wrong answers look like, by kind: (verifier, reference, response, right). Examples of our own.

One row is one example of a kind of mistake that graders are known to make. `test_verdict_kinds.py` asks that each gets
its verdict, and `bench/graders.py` puts them before other graders. BOX makes a response of an answer.
"""

from dataclasses import dataclass

BOX = "Therefore \\boxed{%s}."
OPTIONS = ("Oslo", "Lima", "Cairo", "Quito")


@dataclass(frozen=True, slots=True)
class Example:
    kind: str
    verifier: str
    reference: str
    response: str
    right: bool


def _math(kind: str, right: str, wrong: str = "") -> list[Example]:
    """Lines of "reference | answer in a box"."""
    return [
        Example(kind, "math", reference.strip(), BOX % answer.strip(), is_right)
        for lines, is_right in ((right, True), (wrong, False))
        for reference, _, answer in (line.partition(" | ") for line in lines.strip().splitlines())
    ]


def _says(kind: str, right: str, wrong: str = "", verifier: str = "math") -> list[Example]:
    """Lines of "reference | response"; a line end in a response is written as //."""
    return [
        Example(kind, verifier, reference.strip(), response.strip().replace("//", "\n"), is_right)
        for lines, is_right in ((right, True), (wrong, False))
        for reference, _, response in (line.partition(" | ") for line in lines.strip().splitlines())
    ]


EXAMPLES: list[Example] = [
    *_math(
        "exact constants",
        r"""
\frac{1}{3} | 0.3333333
\frac{2}{7} | 0.285714
\sqrt{7} | 2.6457513
\frac{1}{1500!} | \frac{1500}{1500 \cdot 1500!}
1-3^{-700} | \frac{3^{700}-1}{3^{700}}
""",
        r"""
\frac{1}{1500!} | \frac{1}{1501!}
3^{-1200} | 3^{-1201}
1-\frac{1}{3^{90}} | 1-\frac{1}{3^{91}}
7-\frac{1}{7^{1500}} | 7
\frac{900!}{1800!} | \frac{900!}{1801!}
0.0007 | 0.00070003
0.0007 | \frac{1}{1429}
0.002 | 0.0020007
250.25 | 250.2500003
\pi | \frac{104348}{33215}
\sqrt{3} | \frac{18817}{10864}
\sqrt{7} | 2.6457
\frac{2}{3} | 0.666668
\ln 2 + 10^{-30} | \ln 2
\sqrt[3]{2} | \sqrt[3]{2}+10^{-4000}
e | \frac{2721}{1001}
""",
    ),
    *_math(
        "time and ratio",
        r"""
7:00 | 7:00
13:00 | 1:00 \text{ PM}
8:20 \text{ AM} | 8:20
22:45 | 10:45 \text{ p.m.}
5:15 \text{ p.m.} | 17:15
4:6 | 2:3
1:2:4 | 3:6:12
2:5 | \frac{2}{5}
06:30 | 6:30
""",
        r"""
10:00 | 5:00
7:00 | 9:00
8:20 \text{ AM} | 8:20 \text{ PM}
22:45 | 10:45 \text{ a.m.}
1:0 | 0:4
1:2:4 | 1:4:2
3:4:5 | 3:4
24:6:2 | 2
10:20 | 15:30
1:4:9:\ldots | 1:4:8:\ldots
""",
    ),
    *_math(
        "dots",
        r"""
2,4,\ldots,2n | 2, 4, \dots, 2n
5,10,15,\ldots | 5, 10, 15, ...
3,4,\dots,8 | 3,4,5,6,7,8
\frac{2}{3} | 0.666\ldots
\frac{5}{6} | 0.8\dot{3}
\frac{4}{33} | 0.1212...
0.\overline{27} | \frac{3}{11}
\frac{1}{7} | 0.(142857)
""",
        r"""
2,4,\ldots,2n | 2, 6, \ldots, 4n-2
5,10,15,\ldots | 5,10,20,\ldots
\frac{2}{3} | 0.66
3,4,\dots,8 | 3,4,5,6,7
""",
    ),
    *_math(
        "sets and inequalities",
        r"""
(-\infty,7] | x \le 7
t > -3 | (-3, \infty)
y \in [0, \sqrt{2}) | 0 \le y < \sqrt2
(-\infty,2)\cup(2,\infty) | x \neq 2
\{4,9\} | \{t : t=4 \text{ or } t=9\}
\mathbb{R} | \text{all reals}
x<3 | 3x<9
|y|\le 2 | -2\le y\le 2
(-\infty,0)\cup(0,\infty) | \mathbb{R}\setminus\{0\}
(0,2)\cup[1,5) | (0,5)
x \geq 4 | 4 \leq x
x>5 | -x<-5
|x-1|<3 | (-2,4)
|x|>1 | (-\infty,-1)\cup(1,\infty)
x<1 \text{ or } x>2 | (-\infty,1)\cup(2,\infty)
""",
        r"""
(-\infty,7] | x < 7
t > -3 | t < -3
|y|\le 2 | |y|<2
x<3 | 2x<9
(0,2)\cup(3,5) | (0,5)
[0,1] | \{0,1\}
x > 5 | 5
5 | x \ge 5
(1,4) | 1,2,3,4
x<1 \text{ or } x>2 | x<1
""",
    ),
    *_math(
        "plain-text maths",
        r"""
7\sqrt{2} | 7\sqrt(2)
\frac{\pi}{4} | pi/4
-3\pi | -3*pi
\sqrt{5} | sqrt5
\sqrt{5} | sqrt(5)
\ln 7 | ln(7)
\cos x | cos(x)
e^3 | exp(3)
\beta | beta
\gamma+\delta | gamma + delta
x^3-1 | x**3-1
x \leq 2 | x <= 2
256 | 2^8
4096 | 2^12
\frac{a}{b+c} | a/(b+c)
2\sqrt{3}+1 | 2*sqrt(3)+1
""",
        r"""
7\sqrt{2} | 7*sqrt(3)
\frac{\pi}{4} | pi/3
e^3 | exp(2)
x^3-1 | x**2-1
""",
    ),
    *_math(
        "functions",
        r"""
\binom{9}{4} | C(9,4)
\binom{8}{2} | {}^{8}C_{2}
\binom{8}{2} | {}_{8}C_{2}
70 | C_8^4
105 | 7!!
48 | 6!!
\log_{10} 7 | \lg 7
\min(x,y) | \min\{x,y\}
\frac{\pi^4}{90} | \zeta(4)
\sqrt{3}+i | 2\operatorname{cis}\frac{\pi}{6}
i | 1\angle 90^\circ
\frac{(2m)!}{2^m m!} | (2m-1)!!
3 | \log_2 8
f(x)=3x-2 | f(u)=3u-2
g(x)=x^2 | y=x^2
y=x^2 | f(x)=x^2
x^2 | f(x)=x^2
f(n)=kn | f(n)=kn \text{ for all constants } k
C_1\cos t+C_2\sin t | A\cos t+B\sin t
""",
        r"""
\binom{9}{4} | C(9,3)
105 | 7!
f(x)=3x-2 | f(u)=3u+2
f(x)=3x-2 | 3
2a | 2b
""",
    ),
    *_math(
        "words around",
        r"""
31 | \text{The answer is } 31
31 | The answer is 31
31 | Answer: 31
31 | \text{exactly } 31
31 | \text{approximately } 31
-4 | \text{negative } 4
\sqrt{3} | \sqrt{3} (\approx 1.732)
\sqrt{3} | \sqrt{3} \approx 1.732
8 | 8 \quad (n=8)
8 | 8 \text{ where } n>1
31 | **31**
31 | \colorbox{green}{31}
31 | \begin{align*}31\end{align*}
31 | \textit{31}
31 | \text{31 ways}
31 | 31 \text{ in total}
31 | 31 \text{ is correct}
""",
        r"""
8 | 8 \quad (n=9)
31 | \text{fewer than } 31
31 | \text{not } 31
""",
    ),
    *_math(
        "words that change the value",
        r"""
5000000 | 5 \text{ million}
60 | 5 \text{ dozen}
\text{none} | \text{None}
""",
        r"""
9 | 9 \text{ or more}
9 | 9 \text{ or less}
9 | 9 \text{ at most}
9 | 9 \text{ if } k \text{ is odd}
9 | 9 \text{ unless } k=0
9 | 9 \text{ when } x \text{ is even}
9 | 9 \text{ cubed}
9 | 9 \text{ factorial}
9 | 9 \text{ crore}
9 | 9 \text{ hundredths}
9 | 9 \text{ percent more}
9 | 9 \text{ and below}
9 | 9 \text{ is wrong, it is 8}
9 | 9 \text{ or 8}
9 | 9 \text{ (or eight)}
9 | 9 \text{; 8}
9 | 9 \text{ or else 8}
9 | 9 \text{ sqrt 3}
9 | 9 \text{ ln}
9 | 9 \text{ is an upper bound}
9 | 9 \text{ excluded}
9 | 9 \text{ above zero}
9 | 9 \text{ bn}
9 | n=9 \text{ fails}
9 | n=9 \text{ or } n=8
10 | 10 \text{ (base 4)}
10 | 10 \text{ in base 4}
7 \text{ ft } 2 \text{ in} | 7 \text{ ft}
3 \text{ cats and } 4 \text{ dogs} | 3 \text{ cats and } 5 \text{ dogs}
3 \text{ cats and } 4 \text{ dogs} | 4 \text{ cats and } 3 \text{ dogs}
3 \text{ cats and } 4 \text{ dogs} | 3 \text{ cats}
1 \text{ if } p=2, 0 \text{ otherwise} | 1
k \text{ is odd} | k
k \text{ odd} | k \text{ even}
\text{Carol} | \text{Carol or Dave}
\text{Carol} | \text{not Carol}
9 | \text{half of } 9
9 | \text{two more than } 9
9 | 9 \text{ thousand}
9 | 9 \text{ to } 12
9 | \text{between } 8 \text{ and } 9
""",
    ),
    *_math(
        "units",
        r"""
3 \text{ km} | 3000 \text{ m}
2 \text{ kg} | 2000 \text{ g}
90 \text{ minutes} | 1.5 \text{ hours}
\$7 | 700 \text{ cents}
\$0.25 | 25 \text{ cents}
40^\circ 30' | 40.5^\circ
9 \text{ m/s} | 9\,\frac{\text{m}}{\text{s}}
9 | 9 \mu m
9 | 9^\circ C
9 | 9\ \Omega
9 | 9\,\text{N}\cdot\text{m}
9 \text{ cm}^2 | 9 \text{ square centimeters}
2 \text{ hours } 15 \text{ minutes} | 2.25 \text{ hours}
1 \text{ hour } 20 \text{ minutes} | 80 \text{ minutes}
9 | €9
9 | £9
9 | USD 9
9 | \text{US\$}9
9 | 9 \text{ euros}
9 | 9 \text{ tickets}
9 | 9 \text{ red marbles in the bag}
9 | 9 \text{ km/h}
180^\circ | \pi
25 | 25^\circ
""",
        r"""
3 \text{ hours} | 3 \text{ minutes}
3 \text{ m} | 3 \text{ km}
3 \text{ m} | 3 \text{ kg}
9 \text{ m/s} | 9 \text{ km/h}
8 \text{ cents} | 8 \text{ dollars}
70 \text{ inches}^2 | 70 \text{ feet}^2
60 | \frac{\pi}{3}
3 \text{ ft } 4 \text{ in} | 3 \text{ ft } 5 \text{ in}
6m | 6
""",
    ),
    *_math(
        "percent",
        r"""
40\% | 0.4
40\% | 40
40\% | \frac{2}{5}
0.07 | 7 \text{ percent}
3 | 300\%
12.5\% | 12\tfrac{1}{2}\%
""",
        r"""
3 | 3\%
0.4 | 0.4\%
1 | 1 \text{ percent}
40\% | 4000\%
40\% | 0.4\%
""",
    ),
    *_math(
        "bases",
        r"""
9 | 1001_2
1001_2 | 9
1001_2 | 1001
B7_{16} | 183
B7_{16} | B7
347_9 | 347_{\text{base }9}
347_9 | (347)_{9}
""",
        r"""
21 | 21_3
347_9 | 347_8
1001_2 | 1001_{10}
""",
    ),
    *_math(
        "lists, multiplicity, order",
        r"""
3,4 | 3 \& 4
3,4 | 3 \text{ & } 4
3,4 | 4;3
3,4 | x=3 \text{ or } x=4
3,4 | \{3,4\}
3,4 | x_1=3,\quad x_2=4
(3,4) | y=4, x=3
(3,4) | \langle 3,4\rangle
(3,4) | \begin{pmatrix}3\\4\end{pmatrix}
\begin{pmatrix}3\\4\end{pmatrix} | (3,4)
5\mathbf{i}-2\mathbf{j} | \langle 5,-2\rangle
p=1,q=2 | q=2,p=1
(1,5),(2,6) | (2,6),(1,5)
2\pm\sqrt{3} | 2-\sqrt3, 2+\sqrt3
5,5 | 5, 5
""",
        r"""
5,5 | 5
1,1,4 | 1,4
1,1,4 | 1,4,4
0,0,0 | 0
p=1,q=2 | (2,1)
p=1,q=2 | 2,1
p=1,q=2 | p=2,q=1
(3,4) | (4,3)
(3,4) | y=3, x=4
(3,4) | 7
(-2,2) | 2,-2
3,4 | 3
3,4 | 3,5
3,4 | 34
(1,5),(2,6) | (1,6),(2,5)
5\mathbf{i}-2\mathbf{j} | \langle -2,5\rangle
\{1,2\} | (1,2)
""",
    ),
    *_math(
        "equation for a value",
        r"""
12 | x = 12
12 | 12 = x
12 | \sum b_i=12
12 | f(3)=12
12 | |AB|=12
12 | p+q=12
12 | 3\cdot 4=12
12 | \binom{12}{1}=12
12 | S = 3 \cdot 4 = 12
\frac{1}{3} | P(E)=\frac{1}{3}\approx 0.333
12 | \text{Perimeter}=12
\frac{3}{5} | \sin A=\frac{3}{5}
""",
        r"""
12 | 3x=12
12 | x^2=12
12 | 2^x=12
12 | -n=12
12 | x^2-4=12
0 | x-7=0
0 | 3x-y=0
0 | x^2-3x+2=0
12 | x=3=12
12 | 3+4=12
12 | 144=12
12 | \binom{5}{2}=12
12 | 12=13
12 | 2x+y=12
y=3x+1 | 1
y=3x+1 | y=3x
""",
    ),
    *_math(
        "letters and texts",
        r"""
C | (C) 18
C | \text{Option C}
C | \textbf{(C)}
18 | \textbf{(C) } 18
BD | \text{B, D}
\text{(B), (D)} | B, D
\text{July 4} | 4 \text{ July}
\text{July 4} | \text{July 4th}
\text{circle} | \text{a circle}
\text{Carol} | \mathsf{Carol}
\text{Carol} | ``Carol''
\text{Yes} | yes
""",
        r"""
C | (D) 18
C | C \text{ or } D
\text{July 4} | \text{June 4}
\text{Yes} | \text{No}
\text{circle} | c
""",
    ),
    *_math(
        "scripts",
        r"""
9 | ９
-9 | －9
-9 | ﹣9
9 | 9个
3,4 | 3，4
3,4 | 3、4
3,4 | 3和4
\frac{5}{8} | ⅝
y_2 | y₂
P\cap Q | P∩Q
\lceil x\rceil | ⌈x⌉
60^\circ | 60º
\langle 3,4\rangle | ⟨3,4⟩
x^{12} | x¹²
\sqrt{x+2} | √(x+2)
3\pi | 3π
9 | ٩
2.5 | ２．５
""",
        r"""
9 | ８
3,4 | 3，5
""",
    ),
    *_math(
        "decimal comma and grouped digits",
        r"""
2.75 | 2,75
0.5 | 0{,}5
6.25 | 6{,}25
12345 | 12 345
12345 | 12_345
12345 | 12{,}345
1234567.5 | 1.234.567,5
""",
        r"""
2 | 2,75
2,75 | 2.75
12 | 12 345
""",
    ),
    *_math(
        "cases",
        r"""
\begin{cases}2&x>1\\5&x\le1\end{cases} | \begin{cases}2, & x>1\\ 5, & x\leq 1\end{cases}
\begin{cases}2&x>1\\5&x\le1\end{cases} | \begin{cases}5 & \text{if } x\le 1\\ 2 & \text{if } x>1\end{cases}
""",
        r"""
\begin{cases}2&x>1\\5&x\le1\end{cases} | \begin{cases}5&x>1\\2&x\le1\end{cases}
\begin{cases}2&x>1\\5&x\le1\end{cases} | 2
""",
    ),
    *_math(
        "roots",
        r"""
\frac{1}{(x^2-3)^{2/3}} | \frac{1}{\sqrt[3]{(x^2-3)^2}}
""",
        r"""
t | \sqrt{t^2}
\sqrt{t^2} | t
|t| | t
""",
    ),
    *[
        Example("no way to be unscored", "math", "7", BOX % answer, False)
        for answer in (
            "y" * 1500,
            "\\text{" + "so " * 500 + "}",
            "(" * 80 + "x" + ")" * 80,
            "9^{9^{9^9}}+x",
            "1+" * 900 + "1",
        )
    ],
    *_says(
        "several boxes",
        r"""
2, 4, 6 | The roots are \boxed{2}, \boxed{4}, and \boxed{6}.
2, 4 | We get $\boxed{2}$ and $\boxed{4}$.
8 | It is \boxed{8}, that is, \boxed{8}.
9 | First \boxed{3}. No, that is wrong. It is \boxed{9}.
15 | Answer: 15 \boxed{}
""",
        r"""
6 | The roots are \boxed{2}, \boxed{4}, and \boxed{6}.
6 | Either \boxed{4} or \boxed{6}.
4 | \boxed{4} or 6
9 | So \boxed{9}, no wait, it is \boxed{8
""",
    ),
    *_says(
        "reasoning",
        r"""
21 | <think>perhaps \boxed{20}</think> The answer is 21.
21 | <think>perhaps \boxed{20}</think>//**Final Answer:** 21
21 | \boxed{20}? no.</think><answer>21</answer>
21 | <think>3 \cdot 7</think> So it is \boxed{21}.
""",
        r"""
20 | <think>perhaps \boxed{20}</think> The answer is 21.
20 | <think>perhaps \boxed{20}, or rather
20 | \boxed{20}? no.</think><answer>21</answer>
""",
    ),
    *_says(
        "last value",
        r"""
0.25 | The probability is 1/4.
\frac{5}{9} | Hence P = 5/9.
\frac{7}{18} | So the chance of this is 7/18.
64 | so the count is 2^6
5\sqrt{2} | Hence the side is 5√2
3, 8 | so $x=3$ or $x=8$.
41 | All in all there are 41 of them, give or take none.
""",
        r"""
4 | The probability is 1/4.
9 | Hence P = 5/9.
6 | so the count is 2^6
5 | Hence the side is 5√2
8 | so $x=3$ or $x=8$.
8 | y could be 3 or 8
8 | y is between 3 and 8
0 | So the equation is $x^2-3x+2=0$.
""",
    ),
    *_says(
        "whole clauses",
        r"""
9 | The answer should be 9, I checked with 8.
40000 | The answer is 40 thousand.
2000000 | The answer is 2 million.
36 | The answer is 3 dozen.
4, 9 | The answer is 4 and 9.
4, 9, 11 | The answers are 4, 9, and 11.
9 | The answer is not $4$ but $9$.
4 \pm 3 | The answer is 4 ± 3.
4 \le x \le 9 | The answer is 4 ≤ x ≤ 9.
3\sqrt{5} | The answer is 3 √5.
0.07 | The answer is 7 percent.
4, 9 | The answers are $4$ and $9$.
(4,9) | The answer is $x=4$, $y=9$.
9 | Answer: D. 9
5678 | The answer is 5 678.
9 | The answer is 9 because 3 times 3 is 9.
9 | The answer is 9 (since $3^2=9$).
\frac{3}{4} | The answer is 3/4.
0.75 | The answer is .75
9 | The final answer is: 9 meters.
""",
        r"""
40 | The answer is 40 thousand.
2 | The answer is 2 million.
3 | The answer is 3 dozen.
4 | The answer is 4 and 9.
4 | The answer is 4, 9, or 11.
4 | The answer is 4, 9.
4 | The answer is 4 to 9.
4 | The answer is 4 ± 3.
4 | The answer is 4 ≤ x ≤ 9.
4 | The answer is 4 − y.
3 | The answer is 3 sqrt(5).
3 | The answer is 3 √5.
4 | The answer is 4 y.
3 | The answer is 3 times 7.
4 | The answers are $4$ and $9$.
4 | The answer is not $4$ but $9$.
4 | The answer cannot be 4.
4 | The answer isn't 4.
4 | The answer is at least $4$.
4 | The answer is more than 4.
5 | The answer is 5 678.
""",
    ),
    *_says(
        "other languages",
        r"""
7 | 答案是7。
7 | 最终答案：7
7 | Die Antwort ist 7.
7 | La respuesta es 7.
7 | La réponse est 7.
7 | 정답: 7
7 | Ответ: 7
""",
        r"""
8 | 答案是7。
""",
    ),
    *_says(
        "numbers",
        r"""
0.25 | The probability is 1/4.
1000 | That is 10^3.
7 | 答案是7。
7 | \boxed{7个}
7 | \boxed{７}
2.75 | \boxed{2,75}
12345 | \boxed{12_345}
7 | \boxed{USD 7}
7 | \boxed{7~\mathrm{kg\cdot m/s^2}}
7 | \boxed{7\ \Omega}
7 | \boxed{7\,\text{N}\cdot\text{m}}
8:15 | \boxed{8:15}
9 | <think>\boxed{8}</think> The answer is 9.
2.5 | \boxed{\frac{5}{2}\text{ cm}}
9.8 | \boxed{g = 9.8\,\text{m/s}^2}
""",
        r"""
4 | The probability is 1/4.
3 | That is 10^3.
4 | The answer is 4, 9, or 11.
4 | The answer is 4 and 9.
4 | The answer is 4 to 9.
7 | \boxed{3=7}
7 | \boxed{x^2=7}
7 | \boxed{3x=7}
7 | \boxed{7M}
7 | \boxed{7 \text{ million}}
7 | \boxed{7 bn}
7 | \boxed{7 pi}
7 | \boxed{7 cubed}
7 | \boxed{7 sin(x)}
7 | \boxed{7 unless x is odd}
7 | \boxed{7 tenths}
7 | \boxed{7 y}
0.3 | \boxed{0.3 percent}
3 | \boxed{3%}
5 m | \boxed{5 cm}
""",
        "numeric",
    ),
    *_says(
        "options",
        r"""
D | The value is \boxed{\langle E\rangle}.////**Answer: D**
D | We find \boxed{7}. Thus the answer is (D).
B | <think>\boxed{A}</think> The answer is B.
C | Antwort: C
C | 答案：C
C | La respuesta es C.
C | 정답: C
C | 答えはCです。
C | The answer is Ｃ
C | The answer is C because I checked a table.
A | The answer seems to be A.
C | The best option is C
C | Option C is correct.
C | C is correct.
C | I choose C.
C | {"answer": "C"}
C | Answer - C
C | The answer must be (C)
C | The answer is Cairo (C).
B | The answer is Lima.
""",
        r"""
A | Since \boxed{A} is the area, answer: C
A | Answer: A, or possibly C
C | \boxed{A} or \boxed{C}
A | A) Oslo B) Lima C) Cairo
A | Answer: A. Oslo, B. Lima
A | Answer: (A)(B)
A | Answer: A is wrong
A | Not A
A | <think>\boxed{A}</think> The answer is B.
""",
        "choice",
    ),
    *_math(
        "words for numbers",
        r"""
14 | \text{fourteen}
-8 | \text{minus eight}
21 | twenty-one
305 | \text{three hundred and five}
2000000 | \text{two million}
\frac{3}{5} | \text{three fifths}
\frac{1}{2} | \text{one half}
9 | \text{nine students}
6 | 6 \text{ (six)}
\infty | \text{infinity}
\infty | \text{infinitely many}
""",
        r"""
14 | \text{forty}
21 | \text{twenty or one}
5 | \text{five hundred}
9 | \text{nine or ten}
6 | 6 \text{ (seven)}
1 | \text{no one}
\infty | \text{finite}
""",
    ),
    *_math(
        "letters of formulas",
        r"""
p v t | t v p
R^2 - r^2 | -r^2 + R^2
2 k n | 2 n k
\ln x + C | c + \ln x
""",
        r"""
p v | p v t
3 k | 3 k s
\pi | \pi h
R^2 - r^2 | r^2 - R^2
B + 2b | b + 2B
u = a t | u = a
""",
    ),
    *_math(
        "further spellings",
        r"""
\sqrt[3]{5} | cbrt(5)
|y - 2| | abs(y - 2)
\log_2 7 | log2(7)
-\infty | -oo
\emptyset | \{\}
\emptyset | \text{no solution}
]2, 5] | (2, 5]
(0, 8) | ]0, 8[
(4, -1) | Q(4, -1)
(4, -1) | \text{the point } (4, -1)
7:4 | 7 to 4
12 \text{ m/s} | 12 \text{ ms}^{-1}
2 \text{ ft} | 24 \text{ in}
4\pi | 4\pi \text{ cm}^2
8 | 8 \text{ (by induction)}
""",
        r"""
\emptyset | \{0\}
[0, 8] | ]0, 8[
(a, b) | 6
6 | (a, b) = 6
6 | 6 \bmod 11
6 | 6 \text{ each, so } 18
6 | 6 \text{ pairs, i.e. } 12
7:4 | 4 to 7
4\pi \text{ cm} | 4\pi \text{ cm}^2
""",
    ),
    *_says(
        "further phrases",
        r"""
16 | The answer is sixteen.
16 | The answer is most likely 16.
16 | The answer is 16 and not 61.
""",
        r"""
16 | The answer is sixty.
16 | The answer is 16 mod 5.
16 | The answer is 61 and not 16.
""",
    ),
    *_says(
        "options",
        r"""
B | A is false. So B.
D | Hence, D is the correct choice.
""",
        r"""
B | B is false. So A.
B | Nothing fits. Perhaps B, perhaps C.
""",
        "choice",
    ),
    *_says(
        "numbers",
        r"""
15 | The answer is fifteen.
""",
        r"""
15 | The answer is fifty.
""",
        "numeric",
    ),
]
